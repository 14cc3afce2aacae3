import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

// What the record of a host proves to a run that knows nothing else, as after an import.
type Values = Record<string, unknown>
type Provider = typeof import('../../src/provider.ts')

const folder = temporaryFolder()
const layout = join(folder, 'images')
process.env['PGOCI_CACHE'] = join(folder, 'cache')
const files = {
  hstore: ['lib/postgresql/hstore.so', 'share/postgresql/extension/hstore*'],
  forked: ['lib/postgresql/forked.so'],
}
let sshd: TestSshd
let postgres: Values
let hstore: Values
const installed: Values[] = []

/** A run of its own: the provider of the one before has ended. */
async function nextRun(): Promise<Provider> {
  vi.resetModules()
  return import('../../src/provider.ts')
}

function inputs(changes: Values): Values {
  const connection = { host: '127.0.0.1', port: sshd.port, user: 'test', password: 'test', hostKey: sshd.hostKey }
  const platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'
  return { connection, platform, root: join(folder, 'store'), instance: 'main', __stack: 'shop/prod', ...changes }
}

async function checked(resource: Provider['extension'], news: Values, olds: Values = {}): Promise<Values> {
  const { inputs: found, failures } = (await resource.check?.(olds, inputs(news))) ?? {}
  expect(failures?.map(({ reason }) => reason)).toBeUndefined()
  return found as Values
}

async function extensionOf({ distribution, extension }: Provider, include: readonly string[]) {
  // Of a distribution that is as it was, nothing is read.
  await checked(distribution, { image: `oci:${layout}:pg18` }, postgres)
  const basis = { distributionDigest: postgres['digest'], postgresMajor: postgres['postgresMajor'] }
  return extension.check?.({}, inputs({ name: 'hstore', image: hstore['reference'], include, ...basis }))
}

beforeAll(async () => {
  sshd = await startSshd()
  const forked = Buffer.from(extensionFiles('cube').get('lib/postgresql/cube.so') as Uint8Array)
  forked.write('EnterpriseDB\0', forked.indexOf('PostgreSQL\0\0'))
  const digests = await writeLayout(layout, [
    { tag: 'pg18', files: distributionFiles() },
    { tag: 'both', files: new Map([...extensionFiles('hstore'), ['lib/postgresql/forked.so', forked]]) },
  ])
  const { distribution, extension } = await nextRun()
  postgres = await checked(distribution, { image: `oci:${layout}:pg18` })
  installed.push((await distribution.create(postgres)).outs)
  const basis = { distributionDigest: postgres['digest'], postgresMajor: postgres['postgresMajor'] }
  const image = `oci:${layout}@${digests.get('both')}`
  hstore = await checked(extension, { name: 'hstore', image, include: files.hstore, ...basis })
  installed.push((await extension.create(hstore)).outs)
})

afterAll(() => sshd.close())

test('another part of the same image is proven, though the host has had both images together', async () => {
  const found = await extensionOf(await nextRun(), files.forked)
  expect(found?.failures).toEqual([
    { property: 'image', reason: expect.stringMatching(/lib\/forked\.so is built with ABI EnterpriseDB/) },
  ])
})

test('the part that it has needs no proof, and no image', async () => {
  rmSync(layout, { recursive: true })
  rmSync(join(folder, 'cache'), { recursive: true })
  const found = await extensionOf(await nextRun(), files.hstore)
  expect(found?.failures).toBeUndefined()
  expect(found?.inputs).toMatchObject({ digest: hstore['digest'], provides: hstore['provides'] })
})

// Seen in a destroy right after `pulumi import`, which keeps no dependencies: whichever delete came first decided.
test('a destroy that begins with the distribution lets its extensions go first', async () => {
  const { distribution, extension } = await nextRun()
  const before = sshd.commands.length
  const removed = distribution.delete?.('postgres', installed[0])
  // Its commit has begun, so that the extension comes too late for it.
  await vi.waitUntil(() => sshd.commands.length > before)
  await extension.delete?.('hstore', installed[1])
  await removed
  expect(existsSync(join(folder, 'store/instances/main'))).toBe(false)
})
