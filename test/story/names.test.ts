import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { index } from '../support/layout.ts'
import { TestStack } from '../support/pulumi.ts'
import { imageOf, publish, smallDistribution, smallExtension } from '../support/small-images.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

// The life of a stack that asks for extensions by their names, by the real CLI against a registry and an SSH server; the
// tests are its chapters, in order. The images are a few bytes: no server runs.
const program = `
import * as pulumi from '@pulumi/pulumi'
import { extensionsFromYaml, Server } from 'pulumi-postgres-oci'

const config = new pulumi.Config()
const connection = { host: '127.0.0.1', port: config.requireNumber('port'), user: 'test', password: 'test', hostKey: config.require('hostKey') }
const server = new Server('orders', {
  connection,
  root: config.require('root'),
  image: config.require('image'),
  repin: config.get('repin'),
  repository: config.require('registry') + '/ext/{name}:{version}-pg{major}-{os}',
  extensions: extensionsFromYaml(config.require('extensions')),
})
export const { sharedPreloadLibraries } = server
`
// As StackGres's documentation has it.
const snippet = `
extensions:
- name: postgis
- name: timescaledb
  version: "2.13.0"
- name: pg_stat_statements
`
const trixie = 'VERSION_CODENAME=trixie\nID=debian\n'
const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
const other = architecture === 'arm64' ? 'amd64' : 'arm64'

let stack: TestStack
let sshd: TestSshd
let registry: TestRegistry
let host: string

const live = (path: string) => join(host, 'store/instances/orders/current/live', path)
const control = (name: string) => readFileSync(live(`share/extension/${name}.control`), 'utf8')
const up = (...words: string[]) => stack.expect(0, 'up', '--yes', '--skip-preview', ...words)
const extension = (name: string, version: string, { requires = [] as string[], major = 18, os = 'trixie' } = {}) =>
  publish(
    registry,
    { repository: `ext/${name}`, tag: `${version}-pg${major}-${os}` },
    imageOf(smallExtension(name, version, { major, requires })),
  )
const asked = async (act: () => Promise<unknown>) => {
  const before = registry.requests.length
  await act()
  return registry.requests.slice(before)
}

beforeAll(async () => {
  host = mkdtempSync(join(tmpdir(), 'pgoci-host-'))
  sshd = await startSshd()
  registry = await startRegistry({}, [], { pageSize: 5 })
  const contrib = { pg_stat_statements: '1.12', fuzzystrmatch: '1.2' }
  for (const major of [18, 19])
    publish(
      registry,
      { repository: 'postgres', tag: `${major}` },
      imageOf(smallDistribution({ version: `${major}.1`, osRelease: trixie, contrib })),
    )
  const needs = { requires: ['fuzzystrmatch', 'address_standardizer'] }
  extension('postgis', '3.5.9', needs)
  extension('postgis', '3.5.10', needs)
  extension('postgis', '3.6.0', { ...needs, major: 19 })
  extension('postgis', '3.7.0beta1', needs)
  extension('postgis', '3.5.11', { ...needs, os: 'bookworm' })
  extension('timescaledb', '2.13.0')
  extension('timescaledb', '2.14.0')
  extension('address_standardizer', '3.5.10')
  for (let at = 0; at < 20; at += 1) extension('address_standardizer', `3.${at}.1`, { os: 'bookworm' })
  stack = new TestStack(program, {
    env: { PGOCI_REGISTRIES: JSON.stringify({ [registry.host]: { insecure: true } }) },
  })
  await stack.init({
    ...{ port: String(sshd.port), hostKey: sshd.hostKey, root: join(host, 'store') },
    ...{ registry: registry.host, image: `${registry.host}/postgres:18`, extensions: snippet },
  })
})

afterAll(async () => {
  await sshd.close()
  await registry.close()
  stack.remove()
  rmSync(host, { recursive: true, force: true })
})

test('a first preview shows what names become, what comes along, and what is newer and does not fit', async () => {
  const output = await stack.expect(0, 'preview', '--diff')
  expect(output).toMatch(/version\s*: "3.5.10"/)
  for (const line of ['3.7.0beta1: a pre-release', '3.6.0: for Postgres 19 only', '3.5.11: for bookworm only'])
    expect(output).toContain(line)
  expect(output).toMatch(/version\s*: "2.13.0"/)
  expect(output).toMatch(/orders-address_standardizer/)
  expect(output).not.toContain('orders-pg_stat_statements')
  expect(output).not.toContain('__contrib')
  expect(output).toMatch(/os\s*: "trixie"/)
  expect(output).toMatch(/sharedPreloadLibraries\s*: "timescaledb,pg_stat_statements"/)
})

test('the up behind it asks for no list of tags again, and installs what it showed', async () => {
  const requests = await asked(() => up())
  expect(requests.filter((line) => line.includes('/tags/list'))).toEqual([])
  expect(control('postgis')).toContain('3.5.10')
  expect(control('timescaledb')).toContain('2.13.0')
  expect(control('address_standardizer')).toContain('3.5.10')
})

test('Pinned: newer versions and moved tags change nothing, and no registry is asked', async () => {
  extension('postgis', '3.5.12', { requires: ['fuzzystrmatch', 'address_standardizer'] })
  extension('timescaledb', '2.13.1')
  extension('timescaledb', '2.13.0', { requires: ['pg_stat_statements'] })
  expect(await asked(() => stack.expect(0, 'preview', '--expect-no-changes'))).toEqual([])
  expect(await asked(() => up('--refresh'))).toEqual([])
})

test('a new version, or its beginning, is an update in place that the preview shows', async () => {
  await stack.set('extensions', snippet.replace('"2.13.0"', '"2"'))
  const preview = await stack.expect(0, 'preview', '--diff')
  expect(preview).toMatch(/~ version\s*: "2.13.0" => "2.14.0"/)
  expect(preview).toMatch(/~ requested\s*: \{\s*~ version: "2.13.0" => "2"/)
  expect(preview).not.toContain('replace')
  await up()
  expect(control('timescaledb')).toContain('2.14.0')
  expect(control('postgis')).toContain('3.5.10')
})

test('repin looks again', async () => {
  await stack.set('repin', 'November')
  await up()
  expect(control('postgis')).toContain('3.5.12')
})

test('another major version of Postgres looks again, for what is built for it', async () => {
  extension('timescaledb', '2.15.0', { major: 19 })
  extension('address_standardizer', '3.6.0', { major: 19 })
  await stack.set('image', `${registry.host}/postgres:19`)
  const preview = await stack.expect(0, 'preview', '--diff')
  expect(preview).toMatch(/~ version\s*: "3.5.12" => "3.6.0"/)
  await stack.set('image', `${registry.host}/postgres:18`)
  await stack.expect(0, 'preview', '--expect-no-changes')
})

test('an index without this platform is passed over, and said to be', async () => {
  const foreign = imageOf(smallExtension('vector', '0.9.0'), other)
  publish(registry, { repository: 'ext/vector', tag: '0.8.0-pg18-trixie' }, imageOf(smallExtension('vector', '0.8.0')))
  publish(registry, { repository: 'ext/vector', tag: 'foreign' }, foreign)
  publish(registry, { repository: 'ext/vector', tag: '0.9.0-pg18-trixie' }, index({ [other]: foreign }))
  await stack.set('extensions', `${snippet}- name: vector\n`)
  const preview = await stack.expect(0, 'preview', '--diff')
  expect(preview).toContain(`0.9.0: not for linux/${architecture}`)
  expect(preview).toContain('"0.8.0"')
})

test('a name that is given up goes, with what came along for it', async () => {
  await stack.set('extensions', '- name: timescaledb\n  version: 2.13.0\n')
  await up()
  expect(existsSync(live('share/extension/postgis.control'))).toBe(false)
  expect(existsSync(live('share/extension/address_standardizer.control'))).toBe(false)
  expect(control('timescaledb')).toContain('pg_stat_statements')
})
