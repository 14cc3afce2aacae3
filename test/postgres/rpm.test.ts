import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readRpmPackages } from '../../src/postgres/rpm.ts'
import { temporaryFolder } from '../support/folder.ts'
import { testWith } from '../support/needs.ts'
import { rpmDatabase } from '../support/rpm-database.ts'
import { headerOf, ndbOf, numbers } from '../support/rpm-files.ts'
import { sqliteFile } from '../support/sqlite-file.ts'

const folder = temporaryFolder()

testWith('rpm', 'rpmbuild')('what rpm has installed, as rpm says it', async () => {
  const many = Array.from({ length: 90 }, (_, index) => ({ name: `of-many-${index}`, version: `1.${index}` }))
  const { bytes, said } = rpmDatabase(join(folder, 'real'), [
    ...many,
    { name: 'with-epoch', version: '2.0~rc1', epoch: 7 },
    { name: 'epoch-zero', version: '2.0^git1', epoch: 0 },
    { name: 'large', version: '3', size: 300_000 },
  ])
  expect(said.get('with-epoch')).toBe('7:2.0~rc1-3')
  expect(said.size).toBe(93)
  expect(new Map([...readRpmPackages(bytes)].sort())).toEqual(new Map([...said].sort()))
})

const bash = headerOf({ 1000: 'bash', 1001: '5.2', 1002: '1.el9', 1004: 'a shell' })
const glibc = headerOf({ 1000: 'glibc', 1001: '2.34', 1002: '100.el9' }, 1)
const key = headerOf({ 1000: 'gpg-pubkey', 1001: 'fd431d51', 1002: '4ae0493b' })

test('both kinds of database: epochs, and no keys', () => {
  const found = [
    ['bash', '5.2-1.el9'],
    ['glibc', '1:2.34-100.el9'],
  ]
  const rows = [bash, key, glibc]
  expect([...readRpmPackages(sqliteFile(folder, { table: 'Packages', rows }))]).toEqual(found)
  expect([...readRpmPackages(ndbOf(rows))]).toEqual(found)
})

test('whatever bytes come, it ends, and fails in one way only', () => {
  const files = [sqliteFile(folder, { table: 'Packages', rows: [bash, glibc, Buffer.alloc(9000)] }), ndbOf([bash, key])]
  const edits = fc.array(fc.tuple(fc.nat(20_000), fc.constantFrom(0, 1, 5, 13, 0x7f, 0x80, 0xff)), {
    minLength: 1,
    maxLength: 8,
  })
  let refused = 0
  fc.assert(
    fc.property(fc.constantFrom(...files), edits, fc.nat(100), (file, changes, cut) => {
      const bytes = Buffer.from(file)
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      try {
        readRpmPackages(bytes.subarray(0, Math.round(bytes.length * (1 - cut / 1000))))
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError)
        refused += 1
      }
    }),
    { numRuns: 5000 },
  )
  expect(refused).toBeGreaterThan(500)
})

test.each<[string, Buffer, RegExp]>([
  ['nothing', Buffer.of(), /no database of SQLite/],
  ['another table', sqliteFile(folder, { table: 'Name', rows: [bash] }), /has no table Packages/],
  ['a name without an end', sqliteFile(folder, { table: 'Packages', rows: [bash.subarray(0, 110)] }), /without an end/],
  ['a text of megabytes', ndbOf([headerOf({ 1000: 'x'.repeat(2 ** 20) })]), /without an end/],
  ['more entries than bytes', ndbOf([Buffer.concat([numbers(2 ** 28, 0)])]), /ends too early/],
  ['one blob for all', everywhere(ndbOf([Buffer.concat([bash, Buffer.alloc(9000)])])), /where there is none/],
])('%s is refused', (_, bytes, why) => {
  expect(() => readRpmPackages(bytes)).toThrow(why)
})

/** All slots lead to the first one's blob, which would be read as often. */
function everywhere(bytes: Buffer): Buffer {
  for (let slot = 48; slot < 4096; slot += 16) bytes.copy(bytes, slot, 32, 48)
  return bytes
}
