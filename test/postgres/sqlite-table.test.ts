import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readTable } from '../../src/postgres/sqlite-table.ts'
import { temporaryFolder } from '../support/folder.ts'
import { sqliteFile } from '../support/sqlite-file.ts'

const folder = temporaryFolder()
const blobs = (bytes: Buffer) =>
  [...readTable(bytes, 'Rows')].map(([number, blob]) => [number, (blob as Buffer).toString('hex')])

test('rows as SQLite writes them: within a page and over many, in trees of any depth', () => {
  const sizes = fc.array(fc.oneof(fc.nat(40), fc.nat(2000), fc.nat(70_000)), { maxLength: 40 })
  fc.assert(
    fc.property(sizes, fc.constantFrom(512, 1024, 4096, 65_536), fc.nat(30), (lengths, pageSize, deleted) => {
      const rows = lengths.map((length, index) => Buffer.alloc(length, index + 1))
      expect(blobs(sqliteFile(folder, { table: 'Rows', rows, pageSize, deleted }))).toEqual(
        rows.map((row) => [undefined, row.toString('hex')]),
      )
    }),
    { numRuns: 60 },
  )
})

// Where a row leaves its page depends on its last byte.
test.each([512, 4096])('rows of every length around what a page of %d holds', (pageSize) => {
  const rows = Array.from({ length: 2 * pageSize > 2000 ? 120 : 1100 }, (_, index) =>
    Buffer.alloc(index + (pageSize > 512 ? pageSize - 100 : 0), index),
  )
  expect(blobs(sqliteFile(folder, { table: 'Rows', rows, pageSize }))).toEqual(
    rows.map((row) => [undefined, row.toString('hex')]),
  )
})

const rows = Array.from({ length: 300 }, () => Buffer.alloc(100))
/** Where the table's first page is, whose kind is 5: it leads to others. */
function rootOf(bytes: Buffer): number {
  for (let at = 4096; at < bytes.length; at += 4096) if (bytes[at] === 5) return at
  throw new TypeError('There is none')
}

test('pages in circles, and rows that are larger than their file, are refused', () => {
  const good = sqliteFile(folder, { table: 'Rows', rows })
  const root = rootOf(good)
  const circle = Buffer.from(good)
  circle.writeUInt32BE(root / 4096 + 1, root + 8)
  expect(() => blobs(circle)).toThrow(/uses a page twice/)
  const gone = Buffer.from(good)
  gone.writeUInt32BE(2 ** 31, root + 8)
  expect(() => blobs(gone)).toThrow(/lacks some of its pages/)
  // A page with as many cells as it can have, all of which are the same row of a page's size.
  const single = sqliteFile(folder, { table: 'Rows', rows: [Buffer.alloc(60_000)], pageSize: 65_536 })
  const leaf = [1, 2, 3, 4]
    .map((page) => page * 65_536)
    .find((page) => single.readUInt16BE(page + 8) < 10_000 && single[page + 4] === 1)
  if (leaf === undefined) throw new TypeError('There is no such page')
  const at = single.readUInt16BE(leaf + 8)
  const most = Math.floor((at - 8) / 2)
  single.writeUInt16BE(most, leaf + 3)
  for (let cell = 0; cell < most; cell++) single.writeUInt16BE(at, leaf + 8 + cell * 2)
  expect(() => blobs(single)).toThrow(/rows that are larger than it is/)
})

test('what SQLite has not written so is no row', () => {
  expect(() => [...readTable(Buffer.from('SQLite format 2\0'.padEnd(5000, '\0')), 'Rows')]).toThrow(/no database/)
  expect(() => blobs(sqliteFile(folder, { table: 'Others', rows: [] }))).toThrow(/has no table Rows/)
})
