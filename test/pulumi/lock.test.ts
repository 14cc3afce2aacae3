import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { imageOf, publish, smallExtension } from '../support/small-images.ts'

// The lock of a project, seen by the provider, which runs in the program's folder below.
const project = temporaryFolder()
const platform = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`
const former = process.cwd()
let registry: TestRegistry
let check: (
  changes?: Record<string, unknown>,
  olds?: Record<string, unknown>,
) => Promise<{ inputs: Record<string, unknown>; failures?: { reason: string }[] }>

beforeAll(async () => {
  registry = await startRegistry({}, [])
  const [old, now] = ['1.0', '1.1'].map((version) => imageOf(smallExtension('x', version)))
  if (old === undefined || now === undefined) throw new TypeError('There are two images')
  publish(registry, { repository: 'ext/x', tag: '1.0-pg18' }, old)
  publish(registry, { repository: 'ext/x', tag: '1.1-pg18' }, now)
  const repository = `${registry.host}/ext/{name}:{version}-pg{major}`
  const reference = `${registry.host}/ext/x:1.0-pg18`
  const { digest } = old.manifest
  const entry = { name: 'x', repository, postgres: 18, os: 'none', platform, version: '1.0', reference, digest }
  const images = [{ reference: `${registry.host}/ext/x:1.1-pg18`, platform, digest }]
  writeFileSync(join(project, 'Pulumi.yaml'), 'name: shop\n')
  writeFileSync(join(project, 'pgoci.lock.json'), JSON.stringify({ version: 1, names: [entry], images }))
  mkdirSync(join(project, 'program'))
  process.chdir(join(project, 'program'))
  process.env['PGOCI_CACHE'] = join(project, 'cache')
  process.env['PGOCI_REGISTRIES'] = JSON.stringify({ [registry.host]: { insecure: true } })
  const { extension } = await import('../../src/provider.ts')
  const base = {
    connection: { host: '127.0.0.1', hostKey: 'ssh-ed25519 AAAA' },
    instance: 'main',
    name: 'x',
    platform,
    postgresMajor: 18,
    os: 'none',
  }
  check = async (changes, olds = {}) =>
    (await extension.check?.(olds, { ...base, requested: { name: 'x' }, repository, ...changes })) as never
})
afterAll(async () => {
  process.chdir(former)
  await registry.close()
})

test('what is locked is what a name means, without a list of tags, and changes when the lock does', async () => {
  const { inputs, failures } = await check()
  expect(failures).toBeUndefined()
  expect(inputs).toMatchObject({ version: '1.0', newer: [], provides: { x: { version: '1.0' } } })
  expect(registry.requests.filter((line) => /tags|HEAD/.test(line))).toEqual([])
  const moved = await check({}, { ...inputs, digest: `sha256:${'1'.repeat(64)}`, version: '0.9' })
  expect(moved.inputs).toMatchObject({ version: '1.0', digest: inputs['digest'] })
})

test('a tag that is locked has the digest of the lock, wherever it leads now', async () => {
  const image = `${registry.host}/ext/x:1.1-pg18`
  const { inputs } = await check({ requested: undefined, repository: undefined, image })
  expect(inputs).toMatchObject({ reference: image, provides: { x: { version: '1.0' } } })
})

test('a program that asks for another version than the lock has is told to lock again', async () => {
  const { failures } = await check({ requested: { name: 'x', version: '1.1' } })
  expect(failures?.[0]?.reason).toBe(
    'Cannot use "pgoci.lock.json" for "x": it has 1.0, and the program asks for 1.1; run npx pgoci lock, and commit what it writes',
  )
})
