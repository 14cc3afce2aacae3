import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readElf } from '../../src/postgres/elf.ts'
import { libcVersion } from '../../src/postgres/libc.ts'
import { readLocaleArchive } from '../../src/postgres/locales.ts'
import { readConfigure, readMagic, readServerVersion } from '../../src/postgres/magic.ts'
import { namedLibraries } from '../../src/postgres/opened.ts'
import { readRpmPackages } from '../../src/postgres/rpm.ts'
import { buildElf } from '../support/elf.ts'
import { extensionFiles } from '../support/postgres-images.ts'
import { headerOf, ndbOf } from '../support/rpm-files.ts'
import { sqliteFile } from '../support/sqlite-file.ts'
import type { Reader } from './readers.ts'

const module = (name: string) => Buffer.from(extensionFiles(name).get(`lib/postgresql/${name}.so`) as Uint8Array)

/** Of the class and byte order that this machine has not. */
const foreign = buildElf({
  ...{ is64: false, isLittle: false, machine: 20, interpreter: '/lib/ld.so.1', soname: 'libx.so.1', provides: ['X_1'] },
  ...{ needed: ['libc.so.6'], runpath: ['$ORIGIN'], requires: [['libc.so.6', ['GLIBC_2.0', 'GLIBC_2.34']]] },
})
const modules = [module('hstore'), module('cube'), foreign]

/** What of a server and a libc tells their versions. */
const banners = Buffer.from(
  [
    ...['\0postgres (PostgreSQL) 17.6 (Debian 17.6-1)\n', " '--prefix=/usr' '--with-icu' 'CFLAGS=-g -O2'"],
    ...['GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n', 'musl libc (x86_64)', '1.2.5', ''],
  ].join('\0'),
)

const headers = [
  headerOf({ 1000: 'bash', 1001: '5.2', 1002: '1.el9', 1004: 'a shell' }),
  headerOf({ 1000: 'glibc', 1001: '2.34', 1002: '100.el9' }, 1),
  headerOf({ 1000: 'gpg-pubkey', 1001: 'fd431d51', 1002: '4ae0493b' }),
]

export const fileReaders: readonly Reader[] = [
  { name: 'ELF files', samples: modules, read: (bytes) => readElf(bytes), throws: SyntaxError },
  {
    name: 'ELF files without their middle',
    samples: modules,
    read: (bytes) => readElf(bytes, { from: bytes.length >> 2, to: bytes.length >> 1 }),
    throws: SyntaxError,
  },
  {
    name: 'magic blocks and names of libraries',
    samples: modules,
    read: (bytes) => [readMagic(bytes), readMagic(bytes, { isLittle: false }), namedLibraries(bytes)],
  },
  {
    name: 'versions in programs',
    samples: [banners],
    read: (bytes) => [
      readServerVersion(bytes),
      readConfigure(bytes),
      libcVersion(bytes, 'glibc'),
      libcVersion(bytes, 'musl'),
    ],
  },
  {
    name: 'package databases of rpm',
    samples: [ndbOf(headers), sqlite([...headers, Buffer.alloc(9000)]), sqlite(Array(300).fill(headers[0]))],
    read: readRpmPackages,
    throws: SyntaxError,
  },
  { name: 'locale archives', samples: [localeArchive()], read: readLocaleArchive, throws: SyntaxError },
]

function sqlite(rows: readonly Buffer[]): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'pgoci-fuzz-'))
  try {
    return sqliteFile(folder, { table: 'Packages', rows })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** By shape, as glibc's locarchive.h has it: a head, a hash table, names. */
function localeArchive(): Buffer {
  const names = ['C.utf8', 'de_DE.utf8', 'en_US.utf8']
  const [table, text] = [56, 56 + names.length * 12]
  const bytes = Buffer.alloc(text + names.join('\0').length + 1)
  for (const [at, value] of [0xde020109, 1, table, names.length, names.length].entries())
    bytes.writeUInt32LE(value, at * 4)
  bytes.write(names.join('\0'), text)
  for (const [index, name] of names.entries())
    for (const [at, value] of [1, bytes.indexOf(name), 1].entries())
      bytes.writeUInt32LE(value, table + index * 12 + at * 4)
  return bytes
}
