import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mountPoints, runScript, systemdUnit, type UnitOptions } from '../../src/postgres/unit.ts'

const options: UnitOptions = {
  instance: 'orders',
  store: '/var/lib/pgoci',
  treeDirectory: '/var/lib/pgoci/trees/abc',
  libraryPath: '/var/lib/pgoci/instances/orders/live/0123/system',
  binDirectory: 'usr/lib/postgresql/15/bin',
  major: 15,
}

test('the unit names the tree itself, because RootDirectory= refuses links', () => {
  const unit = systemdUnit(options)
  expect(unit).toContain('\nRootDirectory=/var/lib/pgoci/trees/abc\n')
  expect(unit).toContain('\nExecStart=/usr/lib/postgresql/15/bin/pg_ctl start ')
})

test('the unit refuses to start without a cluster and never makes one', () => {
  const unit = systemdUnit(options)
  expect(unit).toContain('\nAssertPathExists=/var/lib/postgresql/orders/PG_VERSION\n')
  expect(unit).not.toContain('initdb')
})

test('the script runs a program exactly as the service would', () => {
  const unit = systemdUnit(options)
  const properties = [...runScript(options).matchAll(/--property='([^']*)'/g)].map(([, property]) => property as string)
  expect(properties.length).toBeGreaterThan(10)
  for (const property of properties) expect(unit).toContain(`\n${property}\n`)
})

test('the script hands on words as they are, but for dollars, which systemd reads doubled', () => {
  const words = ['psql', '-c', "select 'a  b'", '$HOME', '', 'two\nlines\n', '$$x$$']
  const folder = mkdtempSync(join(tmpdir(), 'pgoci-run-'))
  const stub = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift 2\nprintf "<%s>" "$@"\n'
  writeFileSync(join(folder, 'systemd-run'), stub, { mode: 0o755 })
  const env = { PATH: `${folder}:${process.env['PATH']}` }
  const said = execFileSync('sh', ['-c', runScript(options), 'run', ...words], { encoding: 'utf8', env })
  rmSync(folder, { recursive: true })
  expect(said).toBe(words.map((word) => `<${word.replaceAll('$', '$$$$')}>`).join(''))
})

test('whatever the unit binds has a place in the tree', () => {
  const { directories, files } = mountPoints(options)
  const there = [...directories, ...files].map((path) => `/${path}`)
  const bound = [...systemdUnit(options).matchAll(/^(?:Bind(?:ReadOnly)?Paths|TemporaryFileSystem)=(.*)$/gm)]
    .flatMap(([, paths = '']) => paths.split(' '))
    .map((path) => path.replace(/^-/, '').replace(/:.*/, ''))
  expect(bound.length).toBeGreaterThan(5)
  expect(there).toEqual(expect.arrayContaining(bound))
})
