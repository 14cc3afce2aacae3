import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

// One run of the real CLI against a real SSH server; the tests are its chapters, in order.
let stack: TestStack
let sshd: TestSshd
let host: string
const live = (path: string) => join(host, 'store/instances/pg18/current/live', path)
const images = (...names: string[]) =>
  JSON.stringify(
    Object.fromEntries(names.map((name) => [name.split(':')[0], `oci:./images:${name.replace(':', '-')}`])),
  )

beforeAll(async () => {
  sshd = await startSshd()
  host = mkdtempSync(join(tmpdir(), 'pgoci-host-'))
  chmodSync(host, 0o755)
  stack = new TestStack(readFileSync('examples/quickstart/index.ts', 'utf8'))
  await writeLayout(join(stack.folder, 'images'), [
    { tag: 'pg18', files: distributionFiles() },
    { tag: 'hstore', files: extensionFiles('hstore') },
    { tag: 'hstore-2', files: extensionFiles('hstore', (control) => `# second build\n${control}`) },
    { tag: 'cube', files: extensionFiles('cube'), compression: 'zstd' },
  ])
  await stack.init({
    host: '127.0.0.1',
    port: String(sshd.port),
    user: 'test',
    password: { secret: 'test' },
    hostKey: sshd.hostKey,
    root: join(host, 'store'),
    distribution: 'oci:./images:pg18',
  })
  await stack.set('extensions', images('hstore'))
})

afterAll(async () => {
  await sshd.close()
  stack.remove()
  rmSync(host, { recursive: true, force: true })
})

test('up installs a server that runs and creates its extension', async () => {
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  const bin = join(host, 'store/instances/pg18/root/bin')
  const data = join(host, 'data')
  // Root cannot run Postgres.
  const user = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : ['env']
  execFileSync('mkdir', [data])
  if (process.getuid?.() === 0) execFileSync('chown', ['65534:65534', data])
  const run = (words: string[], input = '') =>
    execFileSync(user[0] as string, [...user.slice(1), ...words], { input, encoding: 'utf8', cwd: '/' })
  run([join(bin, 'initdb'), '-D', data, '-A', 'trust', '--no-sync'])
  const answer = run(
    [join(bin, 'postgres'), '--single', '-j', '-D', data, 'postgres'],
    "CREATE EXTENSION hstore;\n\nSELECT 'a=>1'::hstore -> 'a' AS value;\n\n",
  )
  expect(answer).toContain('value = "1"')
})

test('the same stack applied twice changes nothing and does not ask the host', async () => {
  const before = sshd.commands.length
  expect(await stack.expect(0, 'up', '--yes', '--skip-preview')).toContain('3 unchanged')
  expect(sshd.commands.length).toBe(before)
})

test('Pinned: a moved tag changes nothing', async () => {
  await writeLayout(join(stack.folder, 'images'), [
    { tag: 'hstore', files: extensionFiles('hstore', (control) => `# moved\n${control}`) },
  ])
  await stack.expect(0, 'preview', '--expect-no-changes')
})

test('Seen: a changed byte, a missing and an added file are in the report, and up repairs them', async () => {
  const module = live('lib/hstore.so')
  const inode = readFileSync(module)
  inode[1000] = (inode[1000] ?? 0) ^ 1
  chmodSync(module, 0o644)
  writeFileSync(module, inode)
  chmodSync(module, 0o444)
  rmSync(live('share/extension/hstore.control'))
  writeFileSync(live('lib/evil.so'), 'x')
  const report = await stack.run('preview', '--refresh', '--expect-no-changes', '--diff')
  expect(report.code).not.toBe(0)
  expect(report.output).toContain('modified lib/hstore.so')
  expect(report.output).toContain('missing share/extension/hstore.control')
  expect(report.output).toContain('added lib/evil.so')
  await stack.expect(0, 'up', '--yes', '--skip-preview', '--refresh')
  await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
  expect(existsSync(live('lib/evil.so'))).toBe(false)
})

test('a changed reference is an update in place', async () => {
  await stack.set('extensions', images('hstore:2', 'cube'))
  const output = await stack.expect(0, 'up', '--yes', '--skip-preview')
  expect(output).toContain('1 updated')
  expect(output).not.toContain('replaced')
  expect(readFileSync(live('share/extension/hstore.control'), 'utf8')).toContain('# second build')
})

test('state holds no secret in clear, no closure and no path of the controller', async () => {
  const state = await stack.expect(0, 'stack', 'export')
  expect(state).not.toContain(stack.folder)
  expect(state).not.toContain('"password": "test"')
  expect(state.length).toBeLessThan(100_000)
})

test('a preview needs no host for what is in state', async () => {
  await stack.set('hostKey', 'ssh-rsa AAAA')
  const preview = await stack.run('preview')
  expect(preview.output).not.toMatch(/Cannot trust/)
  await stack.set('hostKey', sshd.hostKey)
})

test('destroy leaves the store empty', async () => {
  await stack.expect(0, 'destroy', '--yes', '--skip-preview')
  for (const folder of ['objects', 'trees', 'manifests', 'meta', 'instances', 'staging'])
    expect(readdirSync(join(host, 'store', folder)), folder).toEqual([])
})
