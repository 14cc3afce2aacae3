import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pgoci } from '../support/cli.ts'
import { startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { TestStack } from '../support/pulumi.ts'
import { imageOf, publish, smallDistribution, smallExtension } from '../support/small-images.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

// A lock file that is committed beside the program, by the real CLI; the tests are chapters, in order.
const program = `import * as pulumi from '@pulumi/pulumi'
import { readFileSync } from 'node:fs'
import { Server } from 'pulumi-postgres-oci'
const { connection, root } = new pulumi.Config().requireObject('all')
new Server('orders', { connection, root, ...JSON.parse(readFileSync('orders.json', 'utf8')) })
`
const store = join(temporaryFolder(), 'store')
let stack: TestStack
let sshd: TestSshd
let registry: TestRegistry
const env = () => ({ PGOCI_REGISTRIES: JSON.stringify({ [registry.host]: { insecure: true } }) })
const lock = (...words: string[]) =>
  pgoci(['lock', 'orders.json', ...words], {
    cwd: stack.folder,
    env: { ...env(), PGOCI_CACHE: join(store, '../cache') },
  })
const extension = (version: string) =>
  publish(registry, { repository: 'ext/earth', tag: `${version}-pg18` }, imageOf(smallExtension('earth', version)))
const installed = () =>
  readFileSync(join(store, 'instances/orders/current/live/share/extension/earth.control'), 'utf8').trim()

beforeAll(async () => {
  sshd = await startSshd()
  registry = await startRegistry({}, [])
  publish(registry, { repository: 'postgres', tag: '18' }, imageOf(smallDistribution({ version: '18.4' })))
  extension('1.2')
  stack = new TestStack(program, { main: 'index.mjs', env: env() })
  const image = `${registry.host}/postgres:18`
  const repository = `${registry.host}/ext/{name}:{version}-pg{major}`
  writeFileSync(
    join(stack.folder, 'orders.json'),
    JSON.stringify({ image, repository, extensions: [{ name: 'earth' }] }),
  )
  const connection = { host: '127.0.0.1', port: sshd.port, user: 'test', password: 'test', hostKey: sshd.hostKey }
  await stack.init({ all: JSON.stringify({ connection, root: store }) })
})

afterAll(async () => {
  stack.remove()
  await registry.close()
  await sshd.close()
})

test('what pgoci lock wrote is what a fresh stack installs, whatever there is by then', async () => {
  expect(await lock()).toMatchObject({ code: 0, stdout: expect.stringContaining('earth for Postgres 18') })
  extension('1.3')
  publish(registry, { repository: 'postgres', tag: '18' }, imageOf(smallDistribution({ version: '18.5' })))
  const before = registry.requests.length
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  expect(installed()).toBe("default_version = '1.2'")
  expect(await stack.expect(0, 'stack', 'export')).toContain('"postgresVersion": "18.4"')
  expect(registry.requests.slice(before).filter((line) => /tags\/list|^HEAD/.test(line))).toEqual([])
})

test('lock --update moves all stacks, and the preview shows what that is', async () => {
  await stack.expect(0, 'preview', '--expect-no-changes')
  expect((await lock('--update')).stdout).toMatch(/earth for Postgres 18.*: 1\.2 → 1\.3/)
  const shown = await stack.expect(0, 'preview', '--diff')
  expect(shown).toMatch(/version *: "1\.2" => "1\.3"/)
  expect(shown).toMatch(/postgresVersion *: "18\.4" => "18\.5"/)
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  expect(installed()).toBe("default_version = '1.3'")
})

test('without the file, the state keeps what is pinned', async () => {
  rmSync(join(stack.folder, 'pgoci.lock.json'))
  extension('1.4')
  await stack.expect(0, 'preview', '--expect-no-changes')
  expect(existsSync(join(stack.folder, 'pgoci.lock.json'))).toBe(false)
})
