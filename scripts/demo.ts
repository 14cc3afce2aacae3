// The main job, end to end, with real parts: the Pulumi CLI, an SSH server, Postgres 18, OCI images. Everything lies
// in one temporary folder and is gone afterwards. Ends with 1 as soon as a step does not do what it says.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { distributionFiles, extensionFiles, writeLayout } from '../test/support/postgres-images.ts'
import { TestStack } from '../test/support/pulumi.ts'
import { startServer, type TestServer } from '../test/support/server.ts'
import { startSshd } from '../test/support/sshd.ts'
import { flipByte } from '../test/support/tamper.ts'

const program = readFileSync('examples/quickstart/index.ts', 'utf8')
const stack = new TestStack(program)
const host = mkdtempSync(join(tmpdir(), 'pgoci-host-'))
chmodSync(host, 0o755)
const store = join(host, 'store')
const live = (path: string) => join(store, 'instances/pg18/current/live', path)
const layout = join(stack.folder, 'images')
const sshd = await startSshd()
let server: TestServer | undefined
let steps = 0

try {
  say('Make images from the Postgres that npm ships', 'a distribution without contrib modules, and extensions of it')
  const hstore = extensionFiles('hstore')
  const newer = extensionFiles('hstore', (control) => control.replace('data type', 'data type, second build'))
  await writeLayout(layout, [
    { tag: 'postgres-18', files: distributionFiles() },
    { tag: 'hstore-1', files: hstore },
    { tag: 'hstore-2', files: newer, compression: 'zstd' },
    { tag: 'pg_trgm', files: extensionFiles('pg_trgm') },
    { tag: 'cube', files: extensionFiles('cube'), compression: 'zstd' },
    { tag: 'earthdistance', files: extensionFiles('earthdistance'), compression: 'none' },
  ])
  print(`${readdirSync(join(layout, 'blobs/sha256')).length} blobs in oci:./images: gzip, zstd and plain layers`)

  say('Declare a Postgres with three extensions', 'examples/quickstart/index.ts, as it is:')
  print(program.trim())
  await stack.init({
    host: '127.0.0.1',
    port: String(sshd.port),
    user: 'deploy',
    password: { secret: 'test' },
    hostKey: sshd.hostKey,
    root: store,
    distribution: 'oci:./images:postgres-18',
  })
  await declare({ hstore: 'hstore-1', cube: 'cube', earthdistance: 'earthdistance' })

  say('Review it', 'pins, versions and what CREATE EXTENSION can create are shown before anything is written')
  await pulumi(0, 'preview', '--diff')

  say('Install it', 'over SSH, verified on both sides, switched in one rename')
  await pulumi(0, 'up', '--yes', '--skip-preview')

  say('Run it', "initdb and start with the stack's outputs; then use each extension in one session")
  const outputs = JSON.parse(await stack.expect(0, 'stack', 'output', '--json'))
  print(`binDirectory ${outputs.binDirectory}`)
  server = await startServer({ ...outputs, folder: join(host, 'pg') })
  const session = await server.session()
  const query = async (sql: string) => {
    const { rows } = await session.query(sql)
    print(`postgres=# ${sql}${rows.length > 0 ? `\n${JSON.stringify(rows[0])}` : ''}`)
    return rows[0] === undefined ? undefined : Object.values(rows[0])[0]
  }
  await query('CREATE EXTENSION hstore')
  must((await query(`SELECT 'a=>1'::hstore -> 'a' AS value`)) === '1', 'hstore answers')
  await query('CREATE EXTENSION earthdistance CASCADE')
  must(Number(await query('SELECT round(earth()) AS metres')) === 6378168, 'earthdistance answers')

  say('Add an extension', 'the session above stays open; nothing is reloaded or restarted')
  await declare({ hstore: 'hstore-1', cube: 'cube', earthdistance: 'earthdistance', pg_trgm: 'pg_trgm' })
  await pulumi(0, 'up', '--yes', '--skip-preview')
  await query('CREATE EXTENSION pg_trgm')
  must(Number(await query(`SELECT similarity('postgres', 'postgrad')::numeric(3,2) AS s`)) >= 0.5, 'pg_trgm answers')

  say('Tamper with the host', 'one byte of a library changed, one file removed, one file added')
  flipByte(live('lib/hstore.so'))
  rmSync(live('share/extension/cube.control'))
  writeFileSync(live('lib/backdoor.so'), 'not ours')
  const report = await pulumi('not 0', 'preview', '--refresh', '--expect-no-changes', '--diff')
  for (const words of ['modified lib/hstore.so', 'missing share/extension/cube.control', 'added lib/backdoor.so']) {
    must(report.includes(words), `the report says "${words}"`)
  }

  say('Repair it', 'the same command is silent afterwards')
  await pulumi(0, 'up', '--yes', '--skip-preview', '--refresh')
  await pulumi(0, 'preview', '--refresh', '--expect-no-changes')
  must((await query('SELECT count(*)::int AS n FROM pg_available_extensions')) === 5, 'the server sees all of it again')

  say('Upgrade one extension', 'by its reference: an update in place, never a replacement')
  await declare({ hstore: 'hstore-2', cube: 'cube', earthdistance: 'earthdistance', pg_trgm: 'pg_trgm' })
  const upgrade = await pulumi(0, 'up', '--yes', '--skip-preview', '--diff')
  must(upgrade.includes('1 updated') && !upgrade.includes('replaced'), 'it was updated in place')
  const comment = `SELECT comment FROM pg_available_extensions WHERE name = 'hstore'`
  must(/second build/.test(String(await query(comment))), 'the server sees the new content')

  say('Go back', 'with the images out of reach: the former state is still on the host')
  await declare({ hstore: 'hstore-1', cube: 'cube', earthdistance: 'earthdistance', pg_trgm: 'pg_trgm' })
  rmSync(join(layout, 'blobs'), { recursive: true })
  await pulumi(0, 'up', '--yes', '--skip-preview')
  must(!/second build/.test(String(await query(comment))), 'the server sees the former content')

  say('Leave', 'a server that runs would be refused; it is stopped first')
  await server.stop()
  await pulumi(0, 'destroy', '--yes', '--skip-preview')
  const left = readdirSync(store, { recursive: true, withFileTypes: true }).filter((one) => !one.isDirectory())
  const own = left.map(({ name }) => name).filter((name) => !['FORMAT', 'lock', 'lock.holder'].includes(name))
  must(own.length === 0, 'the store is empty')
  process.stdout.write('\nEvery step did what it says.\n')
} catch (error) {
  process.exitCode = 1
  process.stderr.write(`\nThe demo failed: ${(error as Error).message}\n`)
} finally {
  await server?.stop()
  await sshd.close()
  stack.remove()
  rmSync(host, { recursive: true, force: true })
}

function say(title: string, detail: string): void {
  steps += 1
  process.stdout.write(`\n${steps}. ${title}: ${detail}\n`)
}

function print(text: string): void {
  process.stdout.write(text.replace(/^/gm, '   ').concat('\n'))
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(`expected that ${what}`)
  print(`✔ ${what}`)
}

async function declare(extensions: Record<string, string>): Promise<void> {
  const images = Object.entries(extensions).map(([name, tag]) => [name, `oci:./images:${tag}`])
  await stack.set('extensions', JSON.stringify(Object.fromEntries(images)))
}

async function pulumi(expected: 0 | 'not 0', ...words: string[]): Promise<string> {
  print(`$ pulumi ${words.join(' ')}`)
  const { code, output } = await stack.run(...words)
  print(stripVTControlCharacters(output).trim().replace(/^/gm, '  '))
  print(`  (exit code ${code})`)
  if ((code === 0) !== (expected === 0)) throw new Error(`pulumi ended with ${code}, expected ${expected}`)
  return output
}
