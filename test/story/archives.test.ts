import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hexOf, parseDigest } from '../../src/model/digest.ts'
import { distributionFiles, extensionFiles, type ImageSpec, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

// A machine without network: all that the stack needs came on a stick, as files beside the program.
const program = `import { Config } from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const config = new Config()
const connection = { host: '127.0.0.1', port: config.requireNumber('port'), user: 'test', password: 'test', hostKey: config.require('hostKey') }
const pg = new Distribution('pg18', { connection, root: config.require('root'), image: 'oci-archive:./images.tar:postgres' })
new Extension('cube', { distribution: pg, image: 'oci-archive:images.tar:ghcr.io/acme/cube:1.5' })
new Extension('hstore', { distribution: pg, image: 'docker-archive:saved.tar.gz' })
`
let stack: TestStack
let sshd: TestSshd
let host: string
const control = (name: string) => {
  const path = join(host, 'store/instances/pg18/current/live/share/extension', `${name}.control`)
  return readFileSync(path, 'utf8')
}

beforeAll(async () => {
  host = mkdtempSync(join(tmpdir(), 'pgoci-host-'))
  chmodSync(host, 0o755)
  sshd = await startSshd()
  stack = new TestStack(program, { main: 'index.mjs' })
  await stack.init({ port: String(sshd.port), hostKey: sshd.hostKey, root: join(host, 'store') })
})

afterAll(async () => {
  await sshd.close()
  stack.remove()
  rmSync(host, { recursive: true, force: true })
})

function pack(folder: string, archive: string, ...words: string[]): void {
  const { status, stderr } = spawnSync('tar', [...words, '-cf', join(stack.folder, archive), '-C', folder, '.'])
  expect(status, String(stderr)).toBe(0)
}

async function writeImages(folder: string, ...images: ImageSpec[]): Promise<Map<string, string>> {
  return writeLayout(join(host, folder), images)
}

/** As Docker up to version 24 has it: no index, no manifest, layers as they are. */
async function saveHstore(): Promise<void> {
  const folder = join(host, 'saved')
  const digests = await writeImages('saved', { tag: 'x', files: extensionFiles('hstore'), compression: 'none' })
  const blob = (digest: string) => `blobs/sha256/${hexOf(parseDigest(digest))}`
  const manifest = JSON.parse(readFileSync(join(folder, blob(digests.get('x') ?? '')), 'utf8'))
  const Layers = manifest.layers.map(({ digest }: { digest: string }) => blob(digest))
  const list = [{ Config: blob(manifest.config.digest), RepoTags: ['acme/hstore:1'], Layers }]
  for (const name of ['index.json', 'oci-layout', blob(digests.get('x') ?? '')]) rmSync(join(folder, name))
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(list))
  pack(folder, 'saved.tar.gz', '-z')
}

test('a stack is installed from archives alone, and its pins outlive a rebuilt archive and a lost cache', async () => {
  const cube = (text = '') => ({
    tag: 'ghcr.io/acme/cube:1.5',
    files: extensionFiles('cube', (control) => control + text),
  })
  await writeImages('images', { tag: 'postgres', files: distributionFiles() }, cube())
  pack(join(host, 'images'), 'images.tar')
  await saveHstore()
  await stack.expect(0, 'up', '--yes', '--skip-preview')
  expect(control('cube')).toContain('cube')
  const before = control('hstore')

  // Another image of the same tag joins the archive, and the pinned one stays in it.
  await writeImages('images', cube('# another\n'))
  pack(join(host, 'images'), 'images.tar')
  await stack.expect(0, 'preview', '--expect-no-changes')
  rmSync(join(stack.folder, 'cache'), { recursive: true })
  rmSync(join(host, 'store'), { recursive: true })
  await stack.expect(0, 'up', '--yes', '--skip-preview', '--refresh')
  expect(control('cube')).not.toContain('another')
  expect(control('hstore')).toBe(before)
})
