import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Link, startLink } from '../../bench/link.ts'
import { importSchema } from '../../src/cli/import.ts'
import { rollbackSchema } from '../../src/cli/rollback.ts'
import { pgoci } from '../support/cli.ts'
import { startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { blob } from '../support/layout.ts'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

// Going back, by the real CLI against a real SSH server and a running Postgres: by declaring what was there before, by
// an emergency rollback, after a lost state, and to another stack. The tests are chapters, in order.
const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const config = new pulumi.Config()
const { root, images, ...login } = config.requireObject('all')
const connection = { ...login, password: config.requireSecret('password') }
const { distribution, ...extensions } = images
const pg = new Distribution('pg18', { connection, root, image: distribution })
for (const [name, image] of Object.entries(extensions)) new Extension(name, { distribution: pg, image })
export const { binDirectory, libraryPath } = pg
`
const second = (text: string) => text.replace(/default_version = '[^']*'/, "default_version = '9.9'")
let folder: string
let registry: TestRegistry
let sshd: TestSshd
let link: Link
let stack: TestStack
let server: TestServer
let session: pg.Client
let image: Record<string, string>
let hostFile: string
let layers: Map<string, string[]>

const store = (path = '') => join(folder, 'store', path)
const generation = () => Number(readlinkSync(store('instances/pg18/current')).split('/').at(-1))
const up = (...words: string[]) => stack.expect(0, 'up', '--yes', '--skip-preview', ...words)
const noDrift = (on = stack) => on.expect(0, 'preview', '--refresh', '--expect-no-changes')
const declare = (images: Record<string, string | undefined>) =>
  stack.set('all', JSON.stringify({ ...login(), root: store(), images }))
const login = () => ({ host: '127.0.0.1', port: link.port, user: 'test', hostKey: sshd.hostKey })
/** A runner that has done nothing before. */
const forget = () => rmSync(join(stack.folder, 'cache'), { recursive: true, force: true })
/** What a session that was open all the time can create. */
const available = async () => {
  const { rows } = await session.query(`SELECT default_version FROM pg_available_extensions WHERE name = 'hstore'`)
  return rows[0]?.default_version
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgoci-back-'))
  chmodSync(folder, 0o755)
  const first = distributionFiles()
  const digests = await writeLayout(join(folder, 'images'), [
    { tag: 'pg-1', files: first },
    { tag: 'pg-2', files: new Map([...first, ['share/postgresql/CHANGES', Buffer.from('second build')]]) },
    { tag: 'hstore-1', files: extensionFiles('hstore') },
    { tag: 'hstore-2', files: extensionFiles('hstore', second) },
    { tag: 'cube', files: extensionFiles('cube') },
  ])
  const blobs = join(folder, 'images/blobs/sha256')
  const all = readdirSync(blobs).map((name) => blob('application/octet-stream', readFileSync(join(blobs, name))))
  layers = new Map()
  const manifests = [...digests].map(([tag, digest]) => {
    const { bytes } = all.find((one) => one.digest === digest) ?? { bytes: Buffer.of() }
    layers.set(
      tag,
      JSON.parse(bytes.toString()).layers.map((one: { digest: string }) => one.digest),
    )
    return [tag, blob('application/vnd.oci.image.manifest.v1+json', bytes)] as const
  })
  registry = await startRegistry(Object.fromEntries(manifests), all)
  image = Object.fromEntries([...digests].map(([tag, digest]) => [tag, `${registry.host}/team/image:${tag}@${digest}`]))
  sshd = await startSshd()
  link = await startLink(sshd.port, 'lan')
  stack = new TestStack(program, { main: 'index.mjs' })
  await stack.init({ password: { secret: 'test' } })
  const insecure = JSON.stringify({ [registry.host]: { insecure: true } })
  await stack.expect(0, 'config', 'set', '--secret', 'postgres-oci:registries', '--', insecure)
  hostFile = join(folder, 'db1.json')
  writeFileSync(hostFile, JSON.stringify({ ...login(), password: 'test' }))
})

afterAll(async () => {
  await server?.stop()
  link?.close()
  await sshd.close()
  await registry.close().catch(() => {})
  stack.remove()
  rmSync(folder, { recursive: true, force: true })
})

test('one extension more, from a fresh runner, downloads that extension and nothing else', async () => {
  await declare({ distribution: image['pg-1'], hstore: image['hstore-1'] })
  await up()
  const { binDirectory, libraryPath } = JSON.parse(await stack.expect(0, 'stack', 'output', '--json'))
  server = await startServer({ binDirectory, libraryPath, folder: join(folder, 'pg') })
  session = await server.session()
  await session.query('CREATE EXTENSION hstore')
  forget()
  const before = registry.requests.length
  await declare({ distribution: image['pg-1'], hstore: image['hstore-1'], cube: image['cube'] })
  await up()
  const asked = registry.requests.slice(before).join('\n')
  expect(asked).toContain(layers.get('cube')?.[0])
  for (const tag of ['pg-1', 'hstore-1']) expect(asked).not.toContain(layers.get(tag)?.[0])
  expect(await available()).toBe('1.8')
})

test('Reversible: an older digest is one flip, without a registry, a cache or an upload; an open session sees it', async () => {
  await declare({ distribution: image['pg-1'], hstore: image['hstore-2'], cube: image['cube'] })
  await up()
  expect(await available()).toBe('9.9')
  await declare({ distribution: image['pg-2'], hstore: image['hstore-2'], cube: image['cube'] })
  await up()
  expect(existsSync(store('instances/pg18/current/live/share/CHANGES'))).toBe(true)
  await registry.close()
  forget()
  await declare({ distribution: image['pg-1'], hstore: image['hstore-1'], cube: image['cube'] })
  const preview = await stack.expect(0, 'preview', '--diff')
  expect(preview).toContain(image['pg-1']?.replace(/^.*@/, ''))
  const { sent } = link
  await up()
  // Nearly all of it is the probe's script, once a question; one is whether the host has had cube with this Postgres.
  expect(link.sent - sent, 'bytes from the controller').toBeLessThan(400_000)
  expect(await available()).toBe('1.8')
  expect(existsSync(store('instances/pg18/current/live/share/CHANGES'))).toBe(false)
  await noDrift()
})

test('what is damaged where it was kept is not gone back to: the preview says what it needs', async () => {
  const control = readdirSync(store('trees'))
    .map((tree) => store(`trees/${tree}/share/extension/hstore.control`))
    .find((path) => existsSync(path) && readFileSync(path, 'utf8').includes('9.9'))
  const bytes = readFileSync(control ?? '')
  // In place, and so in the object that all trees share: one tree's own damage would be repaired from there.
  writeFileSync(control ?? '', bytes.toString().replace('9.9', '6.6'))
  forget()
  await declare({ distribution: image['pg-1'], hstore: image['hstore-2'], cube: image['cube'] })
  const { code, output } = await stack.run('preview')
  expect(code).not.toBe(0)
  expect(output).toContain('Cannot reach')
  expect(output).toContain('has had it, but 1 of its files are missing or damaged there')
  writeFileSync(control ?? '', bytes)
  await declare({ distribution: image['pg-1'], hstore: image['hstore-1'], cube: image['cube'] })
})

test('rollback needs neither stack nor registry, an open session sees it, and the next preview says who did it', async () => {
  const rollback = (...words: string[]) => pgoci(['rollback', hostFile, '--root', store(), ...words])
  const list = await rollback('--list')
  expect(list).toMatchObject({ code: 0, stderr: '' })
  expect(list.stdout).toContain('(current')
  expect(list.stdout).toMatch(/Postgres 18\S* {2}.*:pg-2@/)
  const refused = await rollback()
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('becomes')
  expect(refused.stderr).toContain('Nothing was changed')
  const before = generation()
  // The one before this one has the other Postgres, the one before that only the other extension.
  const to = rollbackSchema
    .parse(JSON.parse((await rollback('--list', '--json')).stdout))
    .generations.find(({ members }) => members[0]?.image.endsWith(String(image['pg-1']?.replace(/^.*@/, ''))) === true)
  expect(to?.isCurrent).toBe(true)
  const { code, stdout, stderr } = await rollback('--yes', '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(rollbackSchema.parse(JSON.parse(stdout)).made).toMatchObject({ from: before, generation: before + 1 })
  expect(existsSync(store('instances/pg18/current/live/share/CHANGES'))).toBe(true)
  const report = await stack.run('preview', '--refresh', '--expect-no-changes', '--diff')
  expect(report.code).not.toBe(0)
  expect(report.output).toMatch(
    /rolled back to generation \d+ by \S+@\S+ on 20\S+ \d\d:\d\d UTC: up installs the declared image again/,
  )
  await up('--refresh')
  expect(existsSync(store('instances/pg18/current/live/share/CHANGES'))).toBe(false)
  expect(readFileSync(store('instances/pg18/current/record.json'), 'utf8')).not.toContain('rolledBack')
  await noDrift()
})

test('a lost state is imported from the host, and the next preview shows no changes', async () => {
  const found = new TestStack('')
  const { code, stdout, stderr } = await pgoci([
    ...['import', hostFile, '--root', store(), '--stack', 'story/test', '-o', found.folder, '--json'],
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const written = importSchema.parse(JSON.parse(stdout))
  expect(written.secrets).toEqual(['password'])
  const text = readFileSync(written.program, 'utf8')
  expect(text).toContain(`password: config.requireSecret('password')`)
  writeFileSync(join(found.folder, 'index.ts'), text)
  await found.init({ password: { secret: 'test' } })
  await found.expect(0, 'import', '--yes', '--file', written.file, '--generate-code=false', '--protect=false')
  await noDrift(found)
  const state = await found.expect(0, 'stack', 'export')
  expect(state).not.toContain('"plaintext"')
  expect(state).not.toMatch(/"password": "test"/)
  // It is the same resource: what the imported stack declares, the host does.
  await found.expect(0, 'up', '--yes', '--skip-preview')
  expect(generation()).toBe(Number(readlinkSync(store('instances/pg18/current')).split('/').at(-1)))
  found.remove()
})

test('an instance moves to another stack, and both are told the truth', async () => {
  const other = new TestStack('', { project: 'blog' })
  const move = (...words: string[]) =>
    pgoci(['import', hostFile, '--root', store(), '--stack', 'blog/test', '-o', other.folder, ...words])
  const refused = await move()
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('the stack "story/test" declares it; --move hands it over')
  expect((await move('--move')).code).toBe(0)
  writeFileSync(join(other.folder, 'index.ts'), readFileSync(join(other.folder, 'import.ts')))
  await other.init({ password: { secret: 'test' } })
  const words = ['--yes', '--file', join(other.folder, 'import.json'), '--generate-code=false', '--protect=false']
  await other.expect(0, 'import', ...words)
  await noDrift(other)
  const told = await stack.run('preview', '--refresh', '--expect-no-changes', '--diff')
  // The CLI hides what is in a secret, here the password, wherever it stands.
  expect(told.output).toMatch(/taken over: the stack .*"blog\/.* declares it now/)
  // The former stack's destroy takes nothing away; its state is then empty, as after pulumi state delete.
  await stack.expect(0, 'destroy', '--yes', '--skip-preview')
  await noDrift(other)
  await session.query('SELECT 1')
  await server.stop()
  await other.expect(0, 'up', '--yes', '--skip-preview')
  await other.expect(0, 'destroy', '--yes', '--skip-preview')
  expect(existsSync(store('instances'))).toBe(false)
  other.remove()
})
