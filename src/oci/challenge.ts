/** One way to log in that a server offers (RFC 9110, 11.6.1). Scheme and parameter names are lower-case. */
export interface Challenge {
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const part = new RegExp(
  `(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))|(${token})(?:[ \\t]+|(?=,)|$)`,
  'g',
)

/** Takes apart one or more WWW-Authenticate headers; several challenges may share a header. */
export function parseChallenges(header: string | string[] | undefined): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  for (const line of [header ?? []].flat()) {
    for (const [, key, quoted, plain, scheme] of line.slice(0, 8192).matchAll(part)) {
      if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: {} })
      else if (key !== undefined) {
        const parameters = challenges.at(-1)?.parameters
        if (parameters) parameters[key.toLowerCase()] = plain ?? quoted?.replace(/\\(.)/g, '$1') ?? ''
      }
    }
  }
  return challenges
}
