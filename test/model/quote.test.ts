import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printable } from '../../src/model/quote.ts'

test('what is printable stays as it is, and never is longer than it may be', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(50), (text, limit) => {
      const shown = printable(text, limit + 1)
      expect(printable(shown, Infinity)).toBe(shown)
      expect(shown.length).toBeLessThanOrEqual(limit + 1)
    }),
  )
})

test('bug: a text was cut between the two halves of a character', () => {
  expect(printable('a😀b', 3)).toBe('a…')
})
