import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hasUnknown, toState } from '../../src/pulumi/state.ts'

const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
const value = fc.dictionary(
  fc.string(),
  fc.letrec((tie) => ({
    node: fc.oneof(leaf, fc.array(tie('node')), fc.dictionary(fc.string(), tie('node'))),
  })).node,
)

test('toState() keeps what JSON keeps of plain data', () => {
  fc.assert(
    fc.property(value, (data) => {
      const kept = toState(data as never)
      expect(JSON.parse(JSON.stringify(kept))).toEqual(kept)
      expect(JSON.stringify(kept)).toBe(JSON.stringify(data, (_key, one) => one))
    }),
  )
})

test.each([
  ['a date', new Date()],
  ['a buffer', Buffer.from('x')],
  ['a map', new Map()],
  ['a bigint', 1n],
  ['not a number', Number.NaN],
  ['a function', () => 1],
])('toState() refuses %s, which Pulumi would lose', (_what, bad) => {
  expect(() => toState({ deep: [{ bad }] })).toThrow(TypeError)
})

test('toState() leaves out what is undefined, at any depth', () => {
  expect(toState({ a: undefined, b: [{ c: undefined, d: 1 }] })).toStrictEqual({ b: [{ d: 1 }] })
})

test('hasUnknown() finds what a preview does not know yet, at any depth', () => {
  expect(hasUnknown({ connection: { password: ['04da6b54-80e4-46f7-96ec-b56ff0331ba9'] } })).toBe(true)
  expect(hasUnknown({ connection: { password: ['x'] } })).toBe(false)
})
