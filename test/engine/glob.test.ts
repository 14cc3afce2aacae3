import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { globMatcher } from '../../src/engine/glob.ts'

/** The meaning, as a regular expression has it: short, and too slow for what others wrote. */
function slowly(glob: string, path: string): boolean {
  const meaning: Record<string, string> = { '**/': '(?:.*/)?', '*': '[^/]*', '?': '[^/]' }
  const source = glob.replace(/[.+^$|]|\*\*\/|\*+|\?/g, (found) => {
    return meaning[found] ?? (found.startsWith('*') ? '.*' : `\\${found}`)
  })
  return new RegExp(`^${source}$`, 's').test(path)
}

describe('A glob', () => {
  // Few letters, so that much of it matches in several ways.
  const text = (letters: readonly string[], maxLength: number) =>
    fc.string({ unit: fc.constantFrom(...letters), maxLength })

  test('means what its regular expression means', () => {
    const globs = text(['a', 'b', '.', '/', '*', '**', '**/', '?'], 9)
    let matches = 0
    fc.assert(
      fc.property(globs, text(['a', 'b', '.', '/', '\n'], 12), (glob, path) => {
        const isMeant = slowly(glob, path)
        if (isMeant) matches++
        expect(globMatcher(glob)(path)).toBe(isMeant)
      }),
      { numRuns: 20_000 },
    )
    expect(matches).toBeGreaterThan(500)
  })

  test('matches what it was made of', () => {
    const parts = fc.array(
      fc.oneof(
        text(['a', '/', 'é', '😀'], 4).map((one) => [one, one] as const),
        text(['a', 'b'], 3).map((one) => ['*', one] as const),
        text(['a', '/'], 5).map((one) => ['**', one] as const),
        fc.constant(['?', 'b'] as const),
      ),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(parts, (made) => {
        const [glob, path] = [made.map(([one]) => one).join(''), made.map(([, one]) => one).join('')]
        // Wildcards side by side are another one.
        fc.pre(!/\*\*\*|\*\*\//.test(glob))
        expect(globMatcher(glob)(path)).toBe(true)
      }),
    )
  })

  // A regular expression takes minutes for the shortest of them, a year for the longest.
  test.each([
    ['**a**a**a**a**b', 'a'.repeat(4095)],
    ['**/**/**/**/**/b', 'a/'.repeat(2047)],
    ['*a*a*a*a*b', 'a'.repeat(255)],
  ])('%s on a path that was made to be slow', (glob, path) => {
    const matches = globMatcher(glob)
    for (let times = 0; times < 20; times++) expect(matches(path)).toBe(false)
  })
})
