import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { packageDatabase, readPackages } from '../../src/postgres/packages.ts'
import { testWith } from '../support/needs.ts'

testWith('dpkg-query')("this machine's packages, as dpkg-query prints them", async () => {
  const format = ['Package', 'Version', 'db:Status-Status'].map((field) => `\${${field}}`).join('\t')
  const said = execFileSync('dpkg-query', ['--show', `--showformat=${format}\n`], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 ** 2,
  })
  const installed = said.split('\n').filter((line) => line.endsWith('\tinstalled'))
  expect(installed.length).toBeGreaterThan(100)
  const found = readPackages(readFileSync('/var/lib/dpkg/status', 'utf8'), 'dpkg')
  for (const line of installed) {
    const [name = '', version] = line.split('\t')
    expect(found.get(name), name).toBe(version)
  }
})

test('a distroless file without a status, and packages that are not installed', () => {
  expect([...readPackages('Package: tzdata\nVersion: 2024a\nDescription: x\n Version: no\n', 'dpkg')]).toEqual([
    ['tzdata', '2024a'],
  ])
  const status =
    'Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: b\nStatus: install ok installed\nVersion: 1:2-3\n'
  expect([...readPackages(status, 'dpkg')]).toEqual([['b', '1:2-3']])
})

test('the records of apk', () => {
  const text = 'C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\n\nP:zlib\nV:1.3.1-r2\n'
  expect([...readPackages(text, 'apk')]).toEqual([
    ['musl', '1.2.5-r0'],
    ['zlib', '1.3.1-r2'],
  ])
})

test('anything else is no record', () => {
  for (const text of ['', '\n\n', ':', 'Package', '\0\xff: 1\n', 'Version: 1\n'])
    expect(readPackages(text, 'dpkg').size).toBe(0)
})

test.each([
  ['var/lib/dpkg/status', 'dpkg'],
  ['var/lib/dpkg/status.d/tzdata', 'dpkg'],
  ['var/lib/dpkg/status.d/tzdata.md5sums', undefined],
  ['lib/apk/db/installed', 'apk'],
  ['usr/lib/apk/db/installed', 'apk'],
  ['usr/lib/sysimage/rpm/rpmdb.sqlite', 'rpm'],
  ['usr/lib/sysimage/rpm/Packages.db', 'rpm'],
  ['var/lib/rpm/Packages', 'berkeley'],
  ['var/lib/rpm/rpmdb.sqlite-wal', 'journal'],
  ['srv/var/lib/dpkg/status', undefined],
])('%s belongs to %s', (path, database) => {
  expect(packageDatabase(path)).toBe(database)
})
