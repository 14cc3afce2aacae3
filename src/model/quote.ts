/**
 * Makes text from outside fit for a message: control characters, bidirectional overrides and invalid code points
 * become escapes, so that a hostile host or registry cannot draw on the terminal, and long text is cut.
 *
 * @param limit longest result in characters, default 200
 */
export function printable(text: string, limit = 200): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  const unsafe = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu
  const safe = text.replace(unsafe, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16)
    return hex.length <= 2 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`
  })
  // Not between the two halves of one character.
  return safe.length <= limit ? safe : `${safe.slice(0, limit - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** {@link printable} in double quotes. */
export function quote(text: string, limit?: number): string {
  return `"${printable(text, limit)}"`
}
