import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'
import { flipByte } from '../support/tamper.ts'

// One life of a stack, by the real CLI against a real SSH server and a running Postgres; the tests are its chapters,
// in order. Their names begin with the promise that they hold us to (README).
const ten = [
  'btree_gist',
  'citext',
  'cube',
  'earthdistance',
  'fuzzystrmatch',
  'hstore',
  'isn',
  'ltree',
  'pg_trgm',
  'seg',
]
const program = readFileSync('examples/quickstart/index.ts', 'utf8')
let stack: TestStack
let sshd: TestSshd
let host: string
let server: TestServer
let session: pg.Client
let digests: Map<string, string>

const store = (path = '') => join(host, 'store', path)
const live = (path: string) => store(`instances/pg18/current/live/${path}`)
const generation = () => Number(readlinkSync(store('instances/pg18/current')).split('/').at(-1))
const up = (...words: string[]) => stack.expect(0, 'up', '--yes', '--skip-preview', ...words)
/** Declares ten extensions; of those named, another tag. */
const declare = (tags: Record<string, string> = {}) =>
  stack.set(
    'extensions',
    JSON.stringify(Object.fromEntries(ten.map((name) => [name, `oci:./images:${tags[name] ?? name}`]))),
  )
const second = (control: string) => `# second build\n${control}`
const value = async (sql: string) => Object.values((await session.query(sql)).rows[0] ?? {})[0]

beforeAll(async () => {
  host = mkdtempSync(join(tmpdir(), 'pgoci-host-'))
  chmodSync(host, 0o755)
  // A tar that kills the shell it runs in, once, when told to: the host's side of a crash in the middle of a push.
  mkdirSync(join(host, 'bin'))
  writeFileSync(
    join(host, 'bin/tar'),
    `#!/bin/sh\nif [ -e ${host}/die ]; then rm ${host}/die; head -c 5000 | command -p tar "$@"; kill -9 $PPID; exit 1; fi\nif [ -e ${host}/hang ]; then touch ${host}/hangs; cat >/dev/null; while [ -e ${host}/hang ]; do sleep 0.1; done; exit 1; fi\nexec /usr/bin/env PATH=/usr/bin:/bin tar "$@"\n`,
    { mode: 0o755 },
  )
  sshd = await startSshd({ env: { ...process.env, PATH: `${host}/bin:${process.env['PATH']}` } })
  stack = new TestStack(
    program.replace('{ distribution: pg, image }', `{ distribution: pg, image, repin: config.get('repin') }`),
  )
  digests = await writeLayout(join(stack.folder, 'images'), [
    { tag: 'pg18', files: distributionFiles() },
    ...ten.map((name, index) => ({
      tag: name,
      files: extensionFiles(name),
      compression: (['gzip', 'zstd', 'none'] as const)[index % 3] as 'gzip',
    })),
    { tag: 'hstore-2', files: extensionFiles('hstore', second) },
    { tag: 'damaged', files: new Map([['lib/postgresql/damaged.so', Buffer.alloc(9000, 7)]]) },
  ])
  await stack.init({
    host: '127.0.0.1',
    port: String(sshd.port),
    user: 'test',
    password: { secret: 'test' },
    hostKey: sshd.hostKey,
    root: store(),
    distribution: 'oci:./images:pg18',
  })
})

afterAll(async () => {
  await server?.stop()
  await sshd.close()
  stack.remove()
  rmSync(host, { recursive: true, force: true })
})

test('Proved: a damaged image is refused before anything is written', async () => {
  const index = JSON.parse(readFileSync(join(stack.folder, 'images/index.json'), 'utf8'))
  const blob = (digest: string) => join(stack.folder, 'images/blobs/sha256', digest.slice(7))
  const { layers } = JSON.parse(readFileSync(blob(index.manifests.at(-1).digest), 'utf8'))
  writeFileSync(blob(layers[0].digest), Buffer.alloc(layers[0].size, 1))
  await declare({ hstore: 'damaged' })
  const { code, output } = await stack.run('preview')
  expect(code).not.toBe(0)
  expect(output).toMatch(/Cannot use sha256:\w+ from oci:.\/images/)
  expect(existsSync(store())).toBe(false)
})

test('up installs Postgres and ten extensions in few commits; a server runs and creates them all', async () => {
  await declare()
  await up()
  expect(generation() - 1, 'commits for ten extensions').toBeLessThanOrEqual(4)
  const { binDirectory, libraryPath } = JSON.parse(await stack.expect(0, 'stack', 'output', '--json'))
  server = await startServer({ binDirectory, libraryPath, folder: join(host, 'pg') })
  session = await server.session()
  for (const name of ten.filter((one) => one !== 'seg'))
    await session.query(`CREATE EXTENSION IF NOT EXISTS ${name} CASCADE`)
  expect(await value(`SELECT 'a=>1'::hstore -> 'a'`)).toBe('1')
  expect(await value('SELECT round(earth())::int')).toBe(6378168)
})

test('the same stack applied twice changes nothing and does not ask the host', async () => {
  const before = sshd.commands.length
  expect(await up()).toContain(`${ten.length + 2} unchanged`)
  expect(sshd.commands.length).toBe(before)
})

test('state holds no secret in clear, no closure and no path of the controller, and is small', async () => {
  const state = await stack.expect(0, 'stack', 'export')
  expect(state).not.toContain(stack.folder)
  expect(state).not.toContain('"password": "test"')
  expect(state).not.toMatch(/=>\s*\{/)
  expect(state.length).toBeLessThan(100_000)
})

test('a preview needs no host and no registry for what is in state', async () => {
  const before = sshd.commands.length
  renameSync(join(stack.folder, 'images'), join(stack.folder, 'elsewhere'))
  try {
    await stack.expect(0, 'preview', '--expect-no-changes')
    await declare({ hstore: `hstore@${digests.get('hstore')}` })
    const preview = await stack.expect(0, 'preview', '--diff')
    expect(preview).toMatch(/reference: "oci:.\/images:hstore" => "oci:.\/images:hstore@sha256:/)
    expect(preview).not.toContain('~ digest')
    // Bug: an extension that is new did not know its distribution's platform, and asked the host.
    await stack.set('extensions', JSON.stringify({ other: `oci:./images:hstore@${digests.get('hstore')}` }))
    expect(await stack.expect(0, 'preview')).toContain('1 to create')
    await declare()
    expect(sshd.commands.length).toBe(before)
  } finally {
    renameSync(join(stack.folder, 'elsewhere'), join(stack.folder, 'images'))
  }
})

test('a changed connection alone touches nothing on the host', async () => {
  const before = sshd.commands.length
  await stack.set('hostKey', `${sshd.hostKey}\n${sshd.hostKey} again`)
  expect(await up()).toContain('11 updated')
  expect(sshd.commands.length).toBe(before)
})

test('Pinned: neither a moved tag nor a wiped host moves what is installed; repin does', async () => {
  const pinned = readFileSync(live('share/extension/hstore.control'), 'utf8')
  await writeLayout(join(stack.folder, 'images'), [{ tag: 'hstore', files: extensionFiles('hstore', second) }])
  await stack.expect(0, 'preview', '--expect-no-changes')
  rmSync(store('instances/pg18/current'))
  await up('--refresh')
  expect(readFileSync(live('share/extension/hstore.control'), 'utf8')).toBe(pinned)
  await stack.set('repin', 'November')
  await up()
  expect(readFileSync(live('share/extension/hstore.control'), 'utf8')).toBe(second(pinned))
  await writeLayout(join(stack.folder, 'images'), [{ tag: 'hstore', files: extensionFiles('hstore') }])
  await stack.set('repin', 'December')
  await up()
})

test('Atomic: a host that dies in the middle of a push keeps its state, and the next up finishes', async () => {
  const before = generation()
  writeFileSync(join(host, 'die'), '')
  await declare({ hstore: 'hstore-2' })
  const { code, output } = await stack.run('up', '--yes', '--skip-preview')
  expect(code).not.toBe(0)
  expect(output).toContain('run it again')
  expect(existsSync(join(host, 'die'))).toBe(false)
  expect(generation()).toBe(before)
  expect(await value(`SELECT 'a=>1'::hstore -> 'a'`)).toBe('1')
  await up()
  expect(readFileSync(live('share/extension/hstore.control'), 'utf8')).toContain('second build')
  expect(readdirSync(store('staging'))).toEqual([])
})

test('Atomic: Ctrl-C in the middle of a push keeps the state of both sides, and the next up finishes', async () => {
  const before = generation()
  await declare()
  writeFileSync(join(host, 'hang'), '')
  const { result, interrupt, said } = stack.start('up', '--yes', '--skip-preview')
  const isHanging = new Promise<void>((resolve) => watch(host, () => existsSync(join(host, 'hangs')) && resolve()))
  await Promise.race([isHanging, result])
  // The first lets what is under way end, which a host that hangs does not; the second ends at once.
  interrupt()
  await said('press ^C again')
  interrupt()
  const { code, output } = await result
  rmSync(join(host, 'hang'))
  expect(code, output).not.toBe(0)
  expect(generation()).toBe(before)
  await stack.expect(0, 'cancel', '--yes')
  await up()
  expect(readFileSync(live('share/extension/hstore.control'), 'utf8')).not.toContain('second build')
  await declare({ hstore: 'hstore-2' })
  await up()
})

test('Reversible: the former digest needs no image and no transfer of content', async () => {
  await declare()
  rmSync(join(stack.folder, 'images/blobs'), { recursive: true })
  await up()
  expect(readFileSync(live('share/extension/hstore.control'), 'utf8')).not.toContain('second build')
})

test('Never in place: what a server has open keeps its bytes over an upgrade', async () => {
  const path = live('lib/hstore.so')
  const file = openSync(path, 'r')
  const { ino, size, mtimeMs } = statSync(path)
  const bytes = readFileSync(path)
  await declare({ hstore: 'hstore-2' })
  await up()
  const after = Buffer.alloc(size)
  readSync(file, after, 0, size, 0)
  closeSync(file)
  expect(after.equals(bytes)).toBe(true)
  // The library did not change with the control file, so it is still the very same inode.
  expect(statSync(live('lib/hstore.so'))).toMatchObject({ ino, mtimeMs })
})

test('Seen: a changed byte, a missing and an added file are in the report, and up repairs them', async () => {
  flipByte(live('lib/hstore.so'))
  rmSync(live('share/extension/cube.control'))
  writeFileSync(live('lib/backdoor.so'), 'x')
  const report = await stack.run('preview', '--refresh', '--expect-no-changes', '--diff')
  expect(report.code).not.toBe(0)
  for (const words of ['modified lib/hstore.so', 'missing share/extension/cube.control', 'added lib/backdoor.so']) {
    expect(report.output).toContain(words)
  }
  await up('--refresh')
  await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
  expect(existsSync(live('lib/backdoor.so'))).toBe(false)
})

test('Seen: links of the store, its records, a generation that was taken back, and a restored backup', async () => {
  const home = store('instances/pg18')
  chmodSync(`${home}/current/record.json`, 0o644)
  writeFileSync(`${home}/current/record.json`, '{}')
  rmSync(`${home}/root`)
  symlinkSync('/etc', `${home}/root`)
  const edited = await stack.run('preview', '--refresh', '--expect-no-changes', '--diff')
  expect(edited.code).not.toBe(0)
  expect(edited.output).toContain('retargeted instances/pg18/root (now leads to /etc)')
  expect(edited.output).toMatch(/modified instances\/pg18\/generations\/\d+\/record.json/)
  await up('--refresh')
  const last = generation()
  const elsewhere = readdirSync(`${home}/generations`).filter((name) => Number(name) < last)[0]
  rmSync(`${home}/current`)
  symlinkSync(`generations/${elsewhere}`, `${home}/current`)
  rmSync(store('instances/pg18/current/live/lib/hstore.so'))
  await up('--refresh')
  await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
  // As cp does that knows no hardlinks.
  cpSync(store(), `${host}/backup`, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  renameSync(store(), `${host}/lost`)
  renameSync(`${host}/backup`, store())
  const restored = await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
  expect(restored).toMatch(/pg18: metadata re-baselined: \d+ entries of the tree "live"/)
  expect(await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')).not.toContain('re-baselined')
})

test('an extension added by a second up is created in a session that was open before', async () => {
  const available = `SELECT count(*)::int FROM pg_available_extensions WHERE name = 'seg'`
  expect(await value(available)).toBe(1)
  await stack.set('extensions', JSON.stringify({ hstore: 'oci:./images:hstore-2' }))
  await up()
  expect(await value(available)).toBe(0)
  await declare({ hstore: 'hstore-2' })
  await up()
  await session.query('CREATE EXTENSION seg')
  expect(await value(`SELECT '1..2'::seg::text`)).toBe('1 .. 2')
})

test('Unreachable is not gone: a host that does not answer keeps its resources', async () => {
  await sshd.close()
  const { code, output } = await stack.run('preview', '--refresh', '--expect-no-changes')
  expect(code).not.toBe(0)
  expect(output).toContain('Cannot reach')
  await stack.run('refresh', '--yes')
  expect((await stack.expect(0, 'stack', 'export')).match(/postgres-oci:Extension/g)?.length).toBeGreaterThanOrEqual(10)
  sshd = await startSshd({ former: sshd })
  await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
})

test('Owned: destroy removes only what is ours', async () => {
  writeFileSync(join(host, 'pg/mine'), 'x')
  writeFileSync(store('notes'), 'x')
  await server.stop()
  await stack.expect(0, 'destroy', '--yes', '--skip-preview')
  expect(readdirSync(store('.')).sort()).toEqual(['FORMAT', 'lock', 'notes'])
  expect(existsSync(join(host, 'pg/mine'))).toBe(true)
  expect(existsSync(store('notes'))).toBe(true)
})
