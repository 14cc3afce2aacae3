import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  compareMeaning,
  compareVersions,
  isMeantBy,
  isPrerelease,
  parseVersion,
  type Version,
} from '../../src/model/version.ts'

const version = (text: string) => parseVersion(text) as Version

test.each([
  ['0.9.10', '0.10.0'],
  ['2.9', '2.13'],
  ['1.0~rc1', '1.0alpha'],
  ['1.5-dev', '1.5alpha1'],
  ['1.0alpha2', '1.0beta1'],
  ['1.0beta2', '1.0beta10'],
  ['1.0beta10', '1.0rc1'],
  ['3.7.0dev', '3.7.0'],
  ['1.0b2', '1.0'],
  ['1.0', '1.0b'],
  ['2.0.0-alpha.1', '2.0.0-rc.1'],
  ['2.0.0-rc.1', '2.0'],
  ['1.3.5', '1.3.5-1'],
  ['1.3.5-1', '1.3.5-2'],
  ['0.8.6', '0.8.6-202608201414'],
  ['0.8.6-202608201414', '0.8.6-202608211414'],
  ['0.8.6-202608201414', '0.8.7-202601010000'],
  ['2.0.12', '2.0.12pgdg'],
  ['v0.8.2', '0.8.3'],
  ['REL4_6_0', '4.7'],
])('compareVersions() puts %s before %s', (low, high) => {
  expect(compareVersions(version(low), version(high))).toBeLessThan(0)
  expect(compareVersions(version(high), version(low))).toBeGreaterThan(0)
})

test.each([
  ['2.13', '2.13.0'],
  ['v0.8.3', '0.8.3'],
  ['1.0beta2', '1.0.0-beta.2'],
  ['REL_1_4', '1.4'],
  ['1.02', '1.2'],
])('compareMeaning() takes %s and %s for the same', (one, other) => {
  expect(compareMeaning(version(one), version(other))).toBe(0)
})

test.each(['', 'latest', 'unpackaged', '-1', '1.0 beta', '1/2', '\u0661', `1${'0'.repeat(100)}`])(
  'parseVersion() takes %j for no version',
  (text) => expect(parseVersion(text)).toBeUndefined(),
)

test.each([
  ['1.0beta2', true],
  ['1.5-dev', true],
  ['3.6.0~rc1+dfsg', true],
  ['1.2b', false],
  ['0.8.6-202608201414', false],
  ['1.0-pgdg', false],
])('isPrerelease(%s) is %j', (text, expected) => expect(isPrerelease(version(text))).toBe(expected))

test.each([
  ['2.13', '2.13.1', true],
  ['2.13', '2.13', true],
  ['2.13', '2.130.1', false],
  ['2', '2.13.1', true],
  ['3.0', '3.1', false],
  ['3.0', '3.0.4', true],
  ['2.13.0', '2.13', true],
  ['2.13.0', '2.13.1', false],
  ['0.8.6', '0.8.6-202608201414', true],
  ['1.0beta', '1.0beta2', true],
  ['1.0beta2', '1.0', false],
])('who writes %s means %s: %j', (wanted, one, expected) => {
  expect(isMeantBy(version(one), version(wanted))).toBe(expected)
})

const part = fc.constantFrom('0', '1', '2', '10', '02', 'a', 'b', 'beta', 'rc', 'dev', 'x', '~')
const separator = fc.constantFrom('', '.', '-', '_', '+')
const versions = fc
  .tuple(fc.constantFrom('', 'v', 'REL_'), fc.nat(3), fc.array(fc.tuple(separator, part), { maxLength: 5 }))
  .map(([prefix, first, rest]) => version(`${prefix}${first}${rest.flat().join('')}`))

test('compareVersions() is a total order', () => {
  fc.assert(
    fc.property(versions, versions, versions, (a, b, c) => {
      expect(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a))).toBe(0)
      expect(compareVersions(a, b) === 0).toBe(a.text === b.text)
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) expect(compareVersions(a, c)).toBeLessThanOrEqual(0)
      if (compareMeaning(a, b) === 0) expect(Math.sign(compareMeaning(a, c))).toBe(Math.sign(compareMeaning(b, c)))
    }),
    { numRuns: 5_000 },
  )
})

test('a version means itself, and any text is read without a failure', () => {
  fc.assert(fc.property(versions, (one) => void expect(isMeantBy(one, one)).toBe(true)))
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseVersion(text)))
})
