/** What a control file says (extension.c, parse_extension_control_file). Missing keys are missing. */
export interface ControlFile {
  /** Folder of the scripts, below the share folder. */
  readonly directory?: string | undefined
  readonly defaultVersion?: string | undefined
  /** What MODULE_PATHNAME in a script stands for, as in `$libdir/vector`. */
  readonly modulePathname?: string | undefined
  readonly comment?: string | undefined
  readonly schema?: string | undefined
  readonly encoding?: string | undefined
  readonly relocatable?: boolean | undefined
  readonly superuser?: boolean | undefined
  readonly trusted?: boolean | undefined
  readonly requires?: readonly string[] | undefined
  readonly noRelocate?: readonly string[] | undefined
}

const maxLength = 65_536

// guc-file.l, of which this is one line; letters above ASCII are letters.
const letter = 'A-Za-z_\\u0080-\\uffff'
const id = `[${letter}][${letter}0-9]*`
const values = [
  "'(?:[^'\\\\\\n]|\\\\[^\\n]|'')*'",
  `[${letter}][${letter}0-9._:/-]*`,
  '[+-]?(?:0x[0-9A-Fa-f]+|[0-9]+)[A-Za-z]*(?![.0-9])',
  '[+-]?[0-9]*\\.[0-9]*(?:[Ee][+-]?[0-9]+)?',
].join('|')
const blank = '[ \\t\\r]*'
const name = `(${id}(?:\\.${id})?)(?![${letter}0-9._:/-])`
const linePattern = new RegExp(`^${blank}(?:${name}${blank}(?:=${blank})?(${values})${blank})?(?:#[^\\n]*)?$`)

/**
 * Reads a control file by Postgres's own grammar: the last one of a key counts.
 *
 * @param options.version of a secondary one, `NAME--VERSION.control`, which may not say everything
 * @throws SyntaxError for what Postgres refuses too; its message completes "the control file …"
 */
export function parseControl(text: string, options: { readonly version?: string } = {}): ControlFile {
  if (text.length > maxLength) throw new SyntaxError('is longer than 64 KiB')
  const found: { -readonly [key in keyof ControlFile]: ControlFile[key] } = {}
  for (const [index, line] of text.split('\n').entries()) {
    const [all, key, value = ''] = linePattern.exec(line) ?? []
    if (all === undefined) throw new SyntaxError(`has a syntax error in line ${index + 1}`)
    if (key === undefined) continue
    const plain = value.startsWith("'") ? unquote(value.slice(1, -1)) : value
    const isPrimary = key === 'directory' || key === 'default_version'
    if (isPrimary && options.version !== undefined)
      throw new SyntaxError(`may not set ${key}, because it is a secondary one`)
    switch (key) {
      case 'directory':
      case 'comment':
      case 'schema':
      case 'encoding':
        found[key] = plain
        break
      case 'default_version':
        found.defaultVersion = plain
        break
      case 'module_pathname':
        found.modulePathname = plain
        break
      case 'relocatable':
      case 'superuser':
      case 'trusted':
        found[key] = parseBoolean(key, plain)
        break
      case 'requires':
        found.requires = parseNames(key, plain)
        break
      case 'no_relocate':
        found.noRelocate = parseNames(key, plain)
        break
      // Later versions of Postgres know more keys, and only the server can tell which it knows.
    }
  }
  if (found.relocatable && found.schema !== undefined) throw new SyntaxError('sets schema although it is relocatable')
  return found
}

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

function unquote(text: string): string {
  return text.replace(/''|\\([0-7]{1,3}|.)/g, (_all, escaped?: string) => {
    if (escaped === undefined) return "'"
    if (/^[0-7]/.test(escaped)) return String.fromCharCode(Number.parseInt(escaped, 8) & 255)
    return escapes[escaped] ?? escaped
  })
}

/** Any beginning of these words that can only mean one (bool.c, parse_bool_with_len). */
function parseBoolean(key: string, text: string): boolean {
  const lower = text.toLowerCase()
  const means = (...words: readonly string[]) => words.some((word) => word.startsWith(lower))
  if (lower !== '' && (lower === '1' || means('true', 'yes') || lower === 'on')) return true
  if (lower !== '' && (lower === '0' || means('false', 'no') || lower === 'of' || lower === 'off')) return false
  throw new SyntaxError(`needs a Boolean value for ${key}`)
}

/** SQL names with commas between, folded to lower case unless in double quotes (varlena.c, SplitIdentifierString). */
function parseNames(key: string, text: string): string[] {
  const names: string[] = []
  const one = /[ \t\n\r\f\v]*(?:"((?:[^"]|"")*)"|([^\s,"][^\s,]*))[ \t\n\r\f\v]*(,|$)/y
  if (/^\s*$/.test(text)) return names
  for (let more = true; more; ) {
    const [all, quoted, plain = '', comma] = one.exec(text) ?? []
    if (all === undefined) throw new SyntaxError(`needs a list of names for ${key}`)
    names.push(quoted === undefined ? plain.toLowerCase() : quoted.replaceAll('""', '"'))
    more = comma === ','
  }
  return names
}
