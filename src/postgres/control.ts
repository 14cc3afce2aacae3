/** What an extension's control file says that matters here. */
export interface ControlFile {
  readonly defaultVersion: string | undefined
  readonly requires: readonly string[]
}

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/**
 * Reads `key = value` lines as Postgres does: the last one of a key counts, the `=` may be missing, strings have
 * quotes doubled and C escapes (guc-file.l, GUC_scanstr), `requires` is a list of SQL names (extension.c).
 */
export function parseControl(text: string): ControlFile {
  const values = new Map<string, string>()
  for (const line of text.slice(0, 65536).split(/\r?\n/)) {
    const found = /^\s*([A-Za-z_][\w.]*)\s*=?\s*(?:'((?:[^'\\]|\\.|'')*)'|([^\s#'=]+))\s*(?:#.*)?$/.exec(line)
    if (!found) continue
    const [, key = '', quoted, plain = ''] = found
    values.set(key.toLowerCase(), quoted === undefined ? plain : unquote(quoted))
  }
  return { defaultVersion: values.get('default_version'), requires: nameList(values.get('requires') ?? '') }
}

function unquote(text: string): string {
  return text.replace(/''|\\([0-7]{1,3}|.)/g, (_all, escaped?: string) => {
    if (escaped === undefined) return "'"
    if (/^[0-7]/.test(escaped)) return String.fromCharCode(Number.parseInt(escaped, 8) & 255)
    return escapes[escaped] ?? escaped
  })
}

/** SQL names: folded to lower case unless in double quotes (varlena.c, SplitIdentifierString). */
function nameList(text: string): string[] {
  return [...text.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^\s,"]+))\s*(?:,|$)/g)].map(([, quoted, plain = '']) =>
    quoted === undefined ? plain.toLowerCase() : quoted.replaceAll('""', '"'),
  )
}
