import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { loadDistribution } from '../../src/engine/distribution.ts'
import { loadExtension } from '../../src/engine/extension.ts'
import { readFacts } from '../../src/engine/facts.ts'
import { digestOf, parseDigest } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import type { ImageFacts } from '../../src/postgres/facts.ts'
import { namedLibraries } from '../../src/postgres/opened.ts'
import { temporaryFolder } from '../support/folder.ts'
import { testWith } from '../support/needs.ts'
import { distributionFiles, extensionFiles, type Layer, writeLayout } from '../support/postgres-images.ts'

const folder = temporaryFolder()
const layout = join(folder, 'images')
const triplet = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
let digests: Map<string, string>

beforeAll(async () => {
  digests = await writeLayout(layout, [
    { tag: 'pg18', files: distributionFiles() },
    { tag: 'rootfs', files: rootfs() },
    { tag: 'hstore', files: extensionFiles('hstore') },
    { tag: 'odd', files: odd() },
  ])
})

/** What of this machine's Debian makes a distribution of mode `rootfs`. */
function rootfs(): Layer {
  const libc = readFileSync(`/lib/${triplet}/libc.so.6`)
  const native = distributionFiles()
  return new Map<string, Uint8Array | { link: string }>([
    ['lib', { link: 'usr/lib' }],
    [`usr/lib/${triplet}/libc.so.6`, libc],
    [`usr/lib/${triplet}/ld-linux-test.so.2`, Buffer.from('loader')],
    [`usr/lib/${triplet}/libicuuc.so.72.1`, libc],
    [`usr/lib/${triplet}/libicuuc.so.72`, { link: `/lib/${triplet}/libicuuc.so.72.1` }],
    ['usr/lib/locale/C.utf8/LC_COLLATE', Buffer.from('x')],
    ['usr/lib/postgresql/18/bin/postgres', native.get('bin/postgres') as Uint8Array],
    ['usr/lib/postgresql/18/lib/plpgsql.so', native.get('lib/postgresql/plpgsql.so') as Uint8Array],
    ['usr/share/postgresql/18/postgres.bki', Buffer.from('#')],
    ['usr/share/postgresql/18/extension/plpgsql.control', { link: '/etc/alternatives/plpgsql.control' }],
    ['etc/alternatives/plpgsql.control', Buffer.from("default_version = '1.0'\n")],
    ['var/lib/dpkg/status', Buffer.from('Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n')],
    ['var/lib/rpm/Packages', Buffer.from('\0')],
    ['var/lib/rpm/rpmdb.sqlite', Buffer.from('damaged')],
    ['var/lib/rpm/rpmdb.sqlite-wal', Buffer.from('changes')],
    ['usr/lib/sysimage/rpm/rpmdb.sqlite-wal', Buffer.of()],
  ])
}

/** Several extensions, scripts in a folder of their own, a damaged module, one that is no extension. */
function odd(): Layer {
  const module = extensionFiles('hstore').get('lib/postgresql/hstore.so') as Uint8Array
  return new Map<string, Uint8Array>([
    ['lib/a.so', module],
    ['lib/wal2json.so', module.subarray(0, 4000)],
    ['lib/text.so', Buffer.from('INPUT(libc.so.6)')],
    [
      'share/extension/a.control',
      Buffer.from("directory = 'of-a'\ndefault_version = '2'\nmodule_pathname = '$libdir/a'\n"),
    ],
    ['share/extension/a.data', Buffer.from('1')],
    ['share/tsearch_data/a.stop', Buffer.from('the')],
    ['share/of-a/a--1.sql', Buffer.from('')],
    ['share/of-a/a--1--2.sql', Buffer.from('')],
    ['share/of-a/a--2.control', Buffer.from("requires = 'cube'\n")],
    ['share/extension/b.control', Buffer.from('default_version = 1.0-rc\n')],
    ['share/extension/b--1.sql', Buffer.from('')],
    ['bin/tool', Buffer.from('#!/bin/sh\n')],
  ])
}

async function factsOf(tag: string, kind: 'distribution' | 'extension'): Promise<ImageFacts> {
  const reference = parseReference(`oci:${layout}:${tag}`)
  const request = {
    ...{ source: openSource(reference, {}), reference, digest: parseDigest(digests.get(tag) ?? '') },
    ...{ platform: `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`, cache: openCache(join(folder, 'cache')) },
  }
  const load = async () =>
    kind === 'distribution' ? (await loadDistribution(request, '/store')).image : (await loadExtension(request)).image
  const facts = await load()
  expect(await load(), 'what the cache gives back').toEqual(facts)
  return facts
}

test('a module: what it is built for, what it needs, what its extension can do', async () => {
  const { binaries, extensions, ...rest } = await factsOf('hstore', 'extension')
  expect(binaries).toEqual([
    {
      ...{
        path: 'live/lib/hstore.so',
        digest: expect.stringMatching(/^sha256:/),
        class: 64,
        runpath: expect.any(Array),
      },
      ...{ machine: process.arch === 'arm64' ? 183 : 62, needed: ['libc.so.6'], provides: [] },
      requires: { 'libc.so.6': expect.arrayContaining([expect.stringMatching(/^GLIBC_2\./)]) },
      magic: {
        ...{ major: 18, length: 72, functionMaxArguments: 100, indexMaxKeys: 32, nameDataLength: 64 },
        vendor: 'PostgreSQL',
      },
    },
  ])
  expect(extensions).toMatchObject({
    hstore: {
      control: { defaultVersion: '1.8', modulePathname: '$libdir/hstore', relocatable: true, trusted: true },
      scripts: { installable: ['1.4'], updates: expect.arrayContaining([['1.7', '1.8']]) },
      secondary: {},
    },
  })
  expect(rest).toEqual({ links: {}, packages: {}, unread: {} })
})

test('a distribution of mode rootfs: libc, ICU, locales, packages, names of libraries', async () => {
  const facts = await factsOf('rootfs', 'distribution')
  const version = /(\d+\.\d+)\s*$/m.exec(execFileSync('ldd', ['--version'], { encoding: 'utf8' }))?.[1]
  expect(facts.server).toMatchObject({
    ...{ mode: 'rootfs', version: expect.stringMatching(/^18\./), major: 18, libc: { kind: 'glibc', version } },
    ...{ icu: ['72.1'], locales: ['C.utf8'] },
  })
  expect(facts.packages).toEqual({ libc6: '2.36-9' })
  expect(facts.unread).toEqual({
    'root/var/lib/rpm/Packages': 'is a BerkeleyDB, as rpm had before 4.16: its packages are not read',
    'root/var/lib/rpm/rpmdb.sqlite': 'is no database of SQLite',
    'root/var/lib/rpm/rpmdb.sqlite-wal': expect.stringContaining('not in rpmdb.sqlite yet'),
  })
  expect(facts.extensions).toMatchObject({ plpgsql: { control: { defaultVersion: '1.0' } } })
  const libraries = `root/usr/lib/${triplet}`
  expect(facts.links).toEqual({ [`${libraries}/libicuuc.so.72`]: `${libraries}/libicuuc.so.72.1` })
  const libc = facts.binaries.find(({ path }) => path === `${libraries}/libc.so.6`)
  expect(libc).toMatchObject({ soname: 'libc.so.6', provides: expect.arrayContaining([`GLIBC_${version}`]) })
  expect(facts.binaries.map(({ path }) => path)).toEqual([
    'live/lib/plpgsql.so',
    'root/usr/lib/postgresql/18/bin/postgres',
    `${libraries}/libc.so.6`,
    `${libraries}/libicuuc.so.72.1`,
  ])
})

test('scripts in a folder of their own, and what cannot be read, is told', async () => {
  const { extensions, unread, binaries, data } = await factsOf('odd', 'extension')
  expect(data).toEqual(['live/share/extension/a.data', 'live/share/tsearch_data/a.stop'])
  expect(extensions).toEqual({
    a: {
      control: { directory: 'of-a', defaultVersion: '2', modulePathname: '$libdir/a' },
      ...{ secondary: { 2: { requires: ['cube'] } }, scripts: { installable: ['1'], updates: [['1', '2']] } },
    },
    b: {
      control: {},
      problem: 'has a syntax error in line 1',
      secondary: {},
      scripts: { installable: ['1'], updates: [] },
    },
  })
  expect(unread).toEqual({
    'live/lib/text.so': 'is no ELF file',
    'live/lib/wal2json.so': expect.stringContaining('does not have'),
  })
  expect(binaries.map(({ path }) => path)).toEqual(['live/lib/a.so'])
})

testWith('readelf')('all of a real distribution is read, and small enough to keep', async () => {
  const facts = await factsOf('pg18', 'distribution')
  const modules = [...distributionFiles().keys()].filter((path) => /^lib\/postgresql\/[^/]+\.so$/.test(path))
  expect(facts.binaries.filter(({ magic }) => magic?.vendor === 'PostgreSQL')).toHaveLength(modules.length)
  expect(facts.unread).toEqual({})
  expect(facts.server).toMatchObject({ mode: 'relocatable', icu: expect.any(Array), locales: [] })
  expect(JSON.stringify(facts).length).toBeLessThan(100_000)
})

test('names of libraries among the texts of a module', () => {
  const text = [
    'x',
    'libmysqlclient.so',
    'libcurl.so.4',
    '$libdir/x.so',
    'not libx.so',
    'libx.sol',
    `lib${'x'.repeat(200)}.so`,
    'libz.so',
  ]
  expect(namedLibraries(Buffer.from(text.join('\0')))).toEqual(['libmysqlclient.so', 'libcurl.so.4'])
  const many = Array.from({ length: 30 }, (_, index) => `lib${index}.so\0`).join('')
  expect(namedLibraries(Buffer.from(many))).toHaveLength(20)
})

test('bug: a module full of names without ends took hours to look through', () => {
  expect(namedLibraries(Buffer.from(`\0libx.so\0${'.so'.repeat(2 ** 23)}\0liby.so\0`))).toEqual(['libx.so', 'liby.so'])
})

test('bug: an image with a hundred thousand files in a folder, all of one content, took minutes to read', async () => {
  const file = { kind: 'file', digest: digestOf(''), size: 1, executable: false } as const
  const count = 50_000
  const names = Array.from({ length: count }, (_, index) => [
    `share/extension/x${index}.control`,
    `share/extension/x${index}--1.sql`,
    `var/lib/dpkg/status.d/x${index}`,
  ]).flat()
  const tree = new Map(names.map((name) => [name, file]))
  const read = async function* () {
    yield { digest: file.digest, bytes: Buffer.of() }
  }
  const placeOf = (path: string) => (path.startsWith('share') ? `live/${path}` : `root/${path}`)
  const facts = await readFacts({ tree, read }, { placeOf, isBinary: () => false })
  expect(Object.keys(facts.extensions)).toHaveLength(count)
  expect(facts.extensions['x7']?.scripts.installable).toEqual(['1'])
})
