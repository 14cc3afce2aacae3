/** Quotes words for a POSIX shell, whatever bytes they hold; only NUL cannot be in a word. */
export function shellQuote(words: readonly string[]): string {
  return words
    .map((word) => {
      if (word.includes('\0')) throw new TypeError('Cannot quote a word that holds NUL')
      return /^[A-Za-z0-9_/.:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
    })
    .join(' ')
}
