import { expect, test } from 'vitest'
import { digestOf } from '../../src/model/digest.ts'
import { collationChange } from '../../src/postgres/collation.ts'
import type { BinaryFacts, ExtensionFacts, ImageFacts, ServerFacts } from '../../src/postgres/facts.ts'
import { findingText } from '../../src/postgres/finding.ts'
import { type Marriage, type Party, prove } from '../../src/postgres/prove.ts'

const magic = {
  major: 15,
  length: 56,
  functionMaxArguments: 100,
  indexMaxKeys: 32,
  nameDataLength: 64,
  vendor: 'PostgreSQL',
}
const triplet = 'root/usr/lib/x86_64-linux-gnu'

function binary(path: string, more: Partial<BinaryFacts> = {}): BinaryFacts {
  const needed = Object.keys(more.requires ?? { 'libc.so.6': [] })
  return {
    ...{ path, digest: digestOf(path), class: 64, machine: 62, needed, runpath: [], requires: {}, provides: [] },
    ...more,
  }
}

function image(more: Partial<ImageFacts> = {}): ImageFacts {
  return { binaries: [], links: {}, unread: {}, extensions: {}, packages: {}, ...more }
}

const libc = binary(`${triplet}/libc.so.6`, {
  soname: 'libc.so.6',
  needed: [],
  provides: ['GLIBC_2.2.5', 'GLIBC_2.4', 'GLIBC_2.36'],
})
const ssl = binary(`${triplet}/libssl.so.3`, { soname: 'libssl.so.3', provides: ['OPENSSL_3.0.0'] })
const curl = binary(`${triplet}/libcurl.so.4.8.0`, { soname: 'libcurl.so.4' })
const server: ServerFacts = {
  ...{
    mode: 'rootfs',
    version: '15.18',
    major: 15,
    configure: [],
    libc: { kind: 'glibc', version: '2.36' },
    icu: [],
    locales: [],
  },
}
const bookworm = image({
  server,
  binaries: [
    binary('root/usr/lib/postgresql/15/bin/postgres', {
      ...{ interpreter: '/lib64/ld-linux-x86-64.so.2', needed: ['libssl.so.3', 'libc.so.6'] },
    }),
    binary('live/lib/plpgsql.so', { magic }),
    ...[libc, ssl, curl],
  ],
  links: { [`${triplet}/libcurl.so.4`]: curl.path },
  extensions: { plpgsql: extension({ defaultVersion: '1.0' }) },
})

function extension(control: ExtensionFacts['control'], more: Partial<ExtensionFacts> = {}): ExtensionFacts {
  return { control, secondary: {}, scripts: { installable: [], updates: [] }, ...more }
}

const module = (more: Partial<BinaryFacts> = {}, name = 'vector') => binary(`live/lib/${name}.so`, { magic, ...more })
const party = (facts: Partial<ImageFacts>, more: Partial<Party> = {}): Party => ({
  name: 'vector',
  facts: image(facts),
  ...more,
})

function found(facts: Partial<ImageFacts>, more: Partial<Omit<Marriage, 'extension'>> & Partial<Party> = {}): string[] {
  const { distribution = { name: 'distribution', facts: bookworm }, others, overrides, ...own } = more
  return prove({ distribution, extension: party(facts, own), others, overrides }).map(
    ({ severity, id }) => `${severity} ${id}`,
  )
}

test('what was built for this distribution has nothing against it', () => {
  const control = extension(
    { defaultVersion: '0.8', modulePathname: '$libdir/vector', requires: ['plpgsql'] },
    { scripts: { installable: ['0.8'], updates: [['0.7', '0.8']] } },
  )
  const own = binary('live/system/libgeos.so.3', { soname: 'libgeos.so.3' })
  const needs = {
    requires: {
      'libc.so.6': ['GLIBC_2.36', 'GLIBC_2.4'],
      'libssl.so.3': ['OPENSSL_3.0.0'],
      'libgeos.so.3': [],
      'libcurl.so.4': [],
    },
  }
  expect(
    found({ binaries: [module(needs), own], extensions: { vector: control } }, { former: { vector: '0.7' } }),
  ).toEqual([])
})

test.each<[string, Partial<ImageFacts>, string]>([
  ['another major', { binaries: [module({ magic: { ...magic, major: 17 } })] }, 'error postgres-major:lib/vector.so'],
  [
    'a fork of Postgres',
    { binaries: [module({ magic: { ...magic, vendor: 'EnterpriseDB' } })] },
    'error abi-vendor:lib/vector.so',
  ],
  [
    'another NAMEDATALEN',
    { binaries: [module({ magic: { ...magic, nameDataLength: 128 } })] },
    'error abi-vendor:lib/vector.so',
  ],
  ['another processor', { binaries: [module({ machine: 183 })] }, 'error architecture:lib/vector.so'],
  [
    'a program for another processor',
    { binaries: [binary('root/usr/bin/x', { machine: 183, needed: [] })] },
    'warning architecture:usr/bin/x',
  ],
  [
    'musl',
    { binaries: [module({ needed: ['libssl.so.3', 'libc.musl-x86_64.so.1'] })] },
    'error libc-kind:lib/vector.so',
  ],
  [
    'a newer glibc',
    { binaries: [module({ requires: { 'libc.so.6': ['GLIBC_2.4', 'GLIBC_2.38'] } })] },
    'error symbol-version:libc.so.6',
  ],
  [
    'another OpenSSL',
    { binaries: [module({ requires: { 'libssl.so.3': ['OPENSSL_3.2.0'] } })] },
    'error symbol-version:libssl.so.3',
  ],
  [
    'a library that nobody has',
    { binaries: [module({ needed: ['libgeos_c.so.1'] })] },
    'error missing-library:libgeos_c.so.1',
  ],
  [
    'a library of a library that nobody has',
    { binaries: [module({ needed: ['liba.so.1'] }), binary('live/system/liba.so.1', { needed: ['libb.so.1'] })] },
    'error missing-library:libb.so.1',
  ],
  [
    'a library that a program lacks',
    { binaries: [binary('root/usr/bin/x', { needed: ['libx.so.1'] })] },
    'warning missing-library:libx.so.1',
  ],
  [
    'a library for another processor',
    { binaries: [module({ needed: ['liba.so.1'] }), binary('live/system/liba.so.1', { machine: 183 })] },
    'error missing-library:liba.so.1',
  ],
  [
    'a library where no loader looks',
    { binaries: [module({ needed: ['liba.so.1'] }), binary('live/lib/deps/liba.so.1')] },
    'error missing-library:liba.so.1',
  ],
  [
    'Bug: a library that a module opens by name, as mysql_fdw does, and nothing was told',
    { binaries: [module({ opens: ['libmysqlclient.so'] })] },
    'warning opened-library:libmysqlclient.so',
  ],
  [
    'another build of what the server uses',
    { binaries: [binary('live/system/libssl.so.3', { soname: 'libssl.so.3' })] },
    'error soname-clash:libssl.so.3',
  ],
  [
    'another build of what the server does not use',
    { binaries: [binary('live/system/libcurl.so.4', { soname: 'libcurl.so.4' })] },
    'warning soname-clash:libcurl.so.4',
  ],
  ['a module that is none', { unread: { 'live/lib/x.so': 'is no ELF file' } }, 'warning unreadable:lib/x.so'],
  [
    'a control file that Postgres refuses',
    { extensions: { v: extension({}, { problem: 'has a syntax error in line 1' }) } },
    'error control-file:v',
  ],
  [
    'a module that is not there',
    { extensions: { v: extension({ modulePathname: '$libdir/v' }) } },
    'warning missing-module:v',
  ],
  [
    'a version that nothing creates',
    { extensions: { v: extension({ defaultVersion: '2' }, { scripts: { installable: ['1'], updates: [] } }) } },
    'warning no-script:v',
  ],
  [
    "Bug: a control file without any script, as Debian's decoderbufs has it, and nothing was told",
    { extensions: { decoderbufs: extension({ defaultVersion: '0.1.0' }) } },
    'note no-script:decoderbufs',
  ],
  [
    "Bug: a control file without default_version, as pg_proctab's of Debian's pgnodemx, and nothing was told",
    { extensions: { pg_proctab: extension({}) } },
    'note no-script:pg_proctab',
  ],
  [
    'an extension that nothing brings',
    { extensions: { v: extension({ requires: ['cube'] }) } },
    'note requires:v.cube',
  ],
])('%s', (_, facts, finding) => {
  expect(found(facts)).toContainEqual(finding)
})

test('libraries of its own, where RUNPATH says, with links and further libraries', () => {
  const deps = [
    binary('live/lib/deps/liba.so.1.2', { needed: ['libb.so.2'], runpath: ['$ORIGIN'] }),
    binary('live/lib/deps/libb.so.2'),
  ]
  const links = { 'live/lib/deps/liba.so.1': 'live/lib/deps/liba.so.1.2' }
  const main = module({ needed: ['liba.so.1'], runpath: [`\${ORIGIN}/deps`] })
  expect(found({ binaries: [main, ...deps], links })).toEqual([])
})

test('what the server has loaded decides, wherever else a library of that name lies', () => {
  const own = { ...ssl, path: 'live/lib/deps/libssl.so.3', digest: digestOf('x'), provides: ['OPENSSL_3.2.0'] }
  const main = module({ requires: { 'libssl.so.3': ['OPENSSL_3.2.0'] }, runpath: ['$ORIGIN/deps'] })
  expect(found({ binaries: [main, own] })).toEqual([
    'error symbol-version:libssl.so.3',
    'error soname-clash:libssl.so.3',
  ])
})

test("Bug: data beside scripts, as Debian's unit has it, is not where a Postgres of packages looks, and nothing was told", () => {
  const data = ['live/share/extension/unit_prefixes.data', 'live/share/extension/unit_units.data']
  const installed = { name: 'distribution', facts: { ...bookworm, server: { ...server, mode: 'installed' as const } } }
  expect(found({ data }, { distribution: installed })).toEqual([
    'warning opened-file:share/extension/unit_prefixes.data',
  ])
  expect(found({ data })).toEqual([])
})

test('two extensions: what one brings the other may use, but not bring as another file', () => {
  const geos = binary('live/system/libgeos.so.3', { soname: 'libgeos.so.3' })
  const others = [party({ binaries: [geos], extensions: { cube: extension({}) } }, { name: 'postgis' })]
  const facts = {
    binaries: [module({ needed: ['libgeos.so.3'] })],
    extensions: {
      v: extension({ defaultVersion: '1', requires: ['cube'] }, { scripts: { installable: ['1'], updates: [] } }),
    },
  }
  expect(found(facts, { others })).toEqual([])
  expect(found({ binaries: [geos] }, { others })).toEqual([])
  expect(found({ binaries: [{ ...geos, digest: digestOf('other') }] }, { others })).toEqual([
    'error soname-clash:libgeos.so.3',
  ])
})

test('a library that a module opens by name is found as any other', () => {
  const own = binary('live/system/libmysqlclient.so')
  expect(found({ binaries: [module({ opens: ['libmysqlclient.so', 'libcurl.so.4'] }), own] })).toEqual([])
})

test("a stub beside the control file that has the scripts is not told: Debian's postgis-3 is postgis", () => {
  const control = { defaultVersion: '3.3.2', modulePathname: '$libdir/postgis-3' }
  const scripts = { installable: ['3.3.2'], updates: [] }
  const extensions = { 'postgis-3': extension(control), postgis: extension(control, { scripts }) }
  expect(found({ binaries: [module({}, 'postgis-3')], extensions })).toEqual([])
})

test('Postgres without a system around it: the host must have the rest', () => {
  const facts = {
    ...bookworm,
    server: { ...server, mode: 'relocatable' as const },
    binaries: bookworm.binaries.slice(0, 2),
  }
  const distribution = { name: 'distribution', facts }
  expect(found({ binaries: [module({ requires: { 'libc.so.6': ['GLIBC_2.99'] } })] }, { distribution })).toEqual([])
  expect(found({ binaries: [module({ needed: ['libx.so.1'] })] }, { distribution })).toEqual([
    'note missing-library:libx.so.1',
  ])
})

test('updates: a version that databases may have must lead to the new one', () => {
  const v = extension({ defaultVersion: '3' }, { scripts: { installable: ['3'], updates: [['2', '3']] } })
  const goes = (from: string) => found({ extensions: { v } }, { former: { v: from } })
  expect([goes('2'), goes('3'), goes('')]).toEqual([[], [], []])
  expect(goes('1')).toEqual(['warning update-path:v'])
  expect(goes('4')).toEqual(['warning update-path:v'])
})

test('labels are hints; one that the bytes contradict is an error', () => {
  const scripts = { installable: ['0.8'], updates: [] }
  const facts = { binaries: [module()], extensions: { vector: extension({ defaultVersion: '0.8' }, { scripts }) } }
  const labels = (major: string, version: string) => ({
    ...{ 'io.cloudnativepg.image.base.pgmajor': major, 'io.cloudnativepg.image.sql.version': version },
  })
  expect(found(facts, { labels: labels('15', '0.8') })).toEqual([])
  expect(found(facts, { labels: labels('18', '0.7') })).toEqual([
    'error label-contradiction:io.cloudnativepg.image.base.pgmajor',
    'error label-contradiction:io.cloudnativepg.image.sql.version',
  ])
})

test.each([
  ['15.9', 'timescaledb-2.17.2', ['warning postgres-minor:result-rel-info']],
  ['15.9', 'vector', []],
  ['15.10', 'timescaledb-2.17.2', []],
  ['15.20', 'wal2json', ['warning postgres-minor:output-plugin-libraries']],
  ['15.20', 'vector', []],
  ['15beta1', 'wal2json', []],
])('Postgres %s with %s: %j', (version, name, expected) => {
  const distribution = { name: 'distribution', facts: { ...bookworm, server: { ...server, version } } }
  expect(found({ binaries: [module({}, name)] }, { distribution })).toEqual(expected)
})

test('an override takes on exactly one error, which stays visible; one that names nothing is told', () => {
  const binaries = [module({ needed: ['liba.so.1', 'libb.so.1'] })]
  expect(found({ binaries }, { overrides: ['missing-library:liba.so.1', 'missing-library:libc.so.1'] })).toEqual([
    'error missing-library:libb.so.1',
    'accepted missing-library:liba.so.1',
    'warning override:missing-library:libc.so.1',
  ])
})

test('a finding names both sides and what to do, in one line that nothing can draw with', () => {
  const hostile = 'libx\u001b[2J\u202e.so.1'
  const needed = prove({
    distribution: { name: 'distribution', facts: bookworm },
    extension: party({ binaries: [module({ requires: { 'libc.so.6': ['GLIBC_2.38'], [hostile]: [] } })] }),
  })
  expect(needed.map(findingText)).toEqual([
    'error missing-library:libx\\x1b[2J\\u202e.so.1: lib/vector.so needs libx\\x1b[2J\\u202e.so.1; neither the distribution nor the image has it; choose an image that brings it, or a distribution that has it',
    'error symbol-version:libc.so.6: lib/vector.so needs GLIBC_2.38 of libc.so.6; the libc.so.6 of glibc 2.36 that it would get (usr/lib/x86_64-linux-gnu/libc.so.6) has up to GLIBC_2.36; choose an image built on the same release of the operating system as the distribution, or an older one',
  ])
})

test('names that JavaScript has for itself are names', () => {
  const scripts = { installable: ['constructor'], updates: [] }
  const control = extension({ defaultVersion: 'constructor', requires: ['__proto__', 'toString'] }, { scripts })
  expect(found({ extensions: Object.fromEntries([['__proto__', control]]) })).toEqual([
    'note requires:__proto__.toString',
  ])
})

test('what sorts text, before and after', () => {
  expect(collationChange({ libc: 'glibc 2.36', icu: '72.1' }, { libc: 'glibc 2.36', icu: '72.2' })).toBeUndefined()
  expect(collationChange({ libc: 'glibc 2.36', icu: '72.1' }, { libc: 'glibc 2.41', icu: '76.1' })).toBe(
    'glibc 2.36 → glibc 2.41, ICU 72 → ICU 76',
  )
  expect(collationChange({}, { libc: 'glibc 2.41' })).toBeUndefined()
})
