import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { type Layer, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { smallDistribution, smallExtension } from '../support/small-images.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

// What a reviewer reads in previews of the real CLI. The images are a few bytes, and no server runs; the tests are
// chapters, in order.
const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const { connection, root, images } = new pulumi.Config().requireObject('all')
const { main, ...extensions } = images
const distribution = new Distribution('main', { connection, root, image: 'oci:./images:' + main })
for (const [name, tag] of Object.entries(extensions)) new Extension(name, { distribution, image: 'oci:./images:' + tag })
`
const store = join(temporaryFolder(), 'store')
const stack = new TestStack(program, { main: 'index.mjs' })
let sshd: TestSshd

const share = 'share/postgresql/extension'
const withFiles = (files: Layer, more: Record<string, string>): Layer =>
  new Map([...files, ...Object.entries(more).map(([path, text]): [string, Uint8Array] => [path, Buffer.from(text)])])

/** An extension with scripts, whose module is another one in each version. */
function release(name: string, version: string, scripts: readonly string[]): Layer {
  const files = new Map(smallExtension(name, version))
  const module = `lib/postgresql/${name}.so`
  files.set(module, Buffer.concat([files.get(module) as Uint8Array, Buffer.from(version)]))
  return withFiles(files, Object.fromEntries(scripts.map((script) => [`${share}/${name}--${script}.sql`, script])))
}

const declare = (images: Record<string, string>) => {
  const connection = { host: '127.0.0.1', port: sshd.port, user: 'test', password: 'test', hostKey: sshd.hostKey }
  return stack.set('all', JSON.stringify({ connection, root: store, images }))
}
const preview = () => stack.expect(0, 'preview', '--diff')
const up = async () => {
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  await stack.expect(0, 'preview', '--expect-no-changes')
}

beforeAll(async () => {
  sshd = await startSshd()
  await writeLayout(join(stack.folder, 'images'), [
    { tag: 'pg18.4', files: smallDistribution({ version: '18.4' }) },
    { tag: 'pg18.5', files: smallDistribution({ version: '18.5' }) },
    { tag: 'pg19.1', files: smallDistribution({ version: '19.1' }) },
    { tag: 'hstore1.7', files: release('hstore', '1.7', ['1.7']) },
    { tag: 'hstore1.8', files: release('hstore', '1.8', ['1.7', '1.7--1.8']) },
    { tag: 'hstore', files: release('hstore', '1.8', ['1.7', '1.7--1.8']) },
    { tag: 'hstore1.9', files: release('hstore', '1.9', ['1.9']) },
    { tag: 'timescaledb2.1', files: release('timescaledb', '2.1', ['2.1']) },
    { tag: 'timescaledb2.2', files: release('timescaledb', '2.2', ['2.2', '2.1--2.2']) },
  ])
  await stack.init()
})

afterAll(async () => {
  stack.remove()
  await sshd.close()
})

test('a first preview says what is new, and that nothing runs from it yet', async () => {
  await declare({ main: 'pg18.4', hstore: 'hstore1.7' })
  const text = await preview()
  expect(text).toMatch(/impact *: "live: new, and nothing runs from it yet"/)
  expect(text).toMatch(/impact *: "live: new, with its distribution"/)
  expect(text).toMatch(
    /files: "3 added"\n *wire : "about \d+ bytes \(\d+ bytes of new content, packed as its layers are\)"/,
  )
  await up()
})

test('an update of an extension: which sessions see it, whether scripts lead there, which files, how much', async () => {
  await declare({ main: 'pg18.4', hstore: 'hstore1.8' })
  const text = await preview()
  expect(text).toContain('=> "live: new sessions load lib/hstore.so; open ones keep what they have loaded"')
  expect(text).toContain('+ versions : "hstore 1.7 → 1.8, with an update path"')
  expect(text).toContain('~ files    : "3 added" => "1 added, 2 changed, 1 the same"')
  expect(text).toContain('+ libraries: "changed lib/hstore.so"')
  expect(text).toContain('+ scripts  : "added hstore--1.7--1.8.sql"')
  expect(text).toMatch(/~ wire *: .* => "about \d+ bytes/)
  await up()
})

test('a preloaded library asks for a restart; another tag of the same image changes nothing', async () => {
  await declare({ main: 'pg18.4', hstore: 'hstore1.8', timescaledb: 'timescaledb2.1' })
  expect(await preview()).toContain('"restart: shared_preload_libraries has to name timescaledb"')
  await up()
  await declare({ main: 'pg18.4', hstore: 'hstore1.8', timescaledb: 'timescaledb2.2' })
  expect(await preview()).toContain(
    '=> "restart: lib/timescaledb.so is preloaded, and a running server keeps the former one"',
  )
  await up()
  await declare({ main: 'pg18.4', hstore: 'hstore', timescaledb: 'timescaledb2.2' })
  const text = await preview()
  expect(text).toContain('~ reference')
  expect(text).not.toMatch(/(?:impact|changes) *:/)
})

test('a former image that only the host still has is compared, too', async () => {
  rmSync(join(stack.folder, 'cache'), { recursive: true })
  await declare({ main: 'pg18.5', hstore: 'hstore1.9', timescaledb: 'timescaledb2.2' })
  const text = await preview()
  expect(text).toContain('=> "restart: Postgres 18.4 → 18.5; a running server stays as it is until it is restarted"')
  expect(text).toContain('~ files: "4 added" => "1 changed, 3 the same"')
  expect(text).toContain('=> "restart: it goes with the new distribution, which a server runs once it is restarted"')
  expect(text).toContain('=> "hstore 1.8 → 1.9, without an update path"')
  await up()
})

test('data of another major is blocked, and says what to do', async () => {
  await declare({ main: 'pg19.1' })
  expect(await preview()).toContain('=> "blocked: Postgres 19 does not start on data of Postgres 18; run pg_upgrade')
})
