/** What an extension's control file says that matters here. */
export interface ControlFile {
  readonly defaultVersion: string | undefined
  readonly requires: readonly string[]
}

/** Reads `key = value` lines as Postgres does (guc-file.l): quotes doubled or escaped inside quotes, `#` comments. */
export function parseControl(text: string): ControlFile {
  const values = new Map<string, string>()
  for (const line of text.slice(0, 65536).split(/\r?\n/)) {
    const found = /^\s*([A-Za-z_][\w.]*)\s*=?\s*(?:'((?:[^'\\]|\\.|'')*)'|([^\s#']+))/.exec(line)
    if (!found) continue
    const value =
      found[2] === undefined ? (found[3] ?? '') : found[2].replace(/''|\\(.)/g, (all, escaped) => escaped ?? all[0])
    values.set((found[1] as string).toLowerCase(), value)
  }
  const requires = (values.get('requires') ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return { defaultVersion: values.get('default_version'), requires }
}
