import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { inspectionSchema, type TreeLine, treeLineSchema } from '../../src/engine/inspection.ts'
import { pgoci } from '../support/cli.ts'
import { type RealRegistry, skopeo, startDockerRegistry } from '../support/docker-registry.ts'
import { buildElf } from '../support/elf.ts'
import { temporaryFolder } from '../support/folder.ts'
import { blobsOf, image, writeLayoutOf } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { distributionFiles, extensionFiles, type Layer, writeLayout } from '../support/postgres-images.ts'
import { file, tar } from '../support/tar.ts'

const folder = temporaryFolder()
const layout = join(folder, 'images')
const cache = join(folder, 'cache')
// The provider opens its cache when it is loaded.
process.env['PGOCI_CACHE'] = cache
const { distribution, extension } = await import('../../src/provider.ts')
const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
const other = process.arch === 'arm64' ? 'amd64' : 'arm64'
let digests: Map<string, string>
let registry: RealRegistry | undefined

beforeAll(async () => {
  const hstore = extensionFiles('hstore')
  digests = await writeLayout(layout, [
    { tag: 'pg18', files: distributionFiles() },
    { tag: 'hstore', files: [new Map([['usr/share/doc/hstore', Buffer.from('a')]]), hstore] },
    { tag: 'arm64', files: hstore, platform: { os: 'linux', architecture: other } },
    { tag: 'readme', files: new Map([['README', Buffer.from('hello')]]) },
    { tag: 'debian', files: debianFiles() },
    { tag: 'alpine', files: alpineFiles() },
    { tag: 'damaged', files: new Map([['lib/postgresql/damaged.so', Buffer.alloc(9000, 7)]]) },
  ])
  const layer = tar(file('lib/postgresql/x.so', 'x'), file('bin/x', '#!/bin/sh', 0o4755))
  const setuid = image([layer], { architecture })
  writeLayoutOf(join(folder, 'setuid'), { x: setuid.manifest }, blobsOf(setuid))
  damage(digests.get('damaged') as string)
})

afterAll(() => registry?.close())

const inspect = (...words: string[]) => pgoci(['inspect', ...words], { env: { PGOCI_CACHE: cache } })

async function inspected(...words: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await inspect('--json', ...words)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

/** A Postgres with an operating system around it: this machine's libc, among one for other machines. */
function debianFiles(): Layer {
  const native = distributionFiles()
  const triplet = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  const loader = process.arch === 'arm64' ? 'lib/ld-linux-aarch64.so.1' : 'lib64/ld-linux-x86-64.so.2'
  const foreign = { is64: false, isLittle: true, machine: 3, interpreter: '', soname: 'libc.so.6' }
  const text = Buffer.from('GNU C Library (foreign) stable release version 2.99.\0')
  return new Map<string, Uint8Array | { link: string }>([
    ['usr/lib32/libc.so.6', Buffer.concat([buildElf({ ...foreign, needed: [], requires: [], provides: [] }), text])],
    [`usr/lib/${triplet}/libc-real.so`, readFileSync(`/lib/${triplet}/libc.so.6`)],
    [`usr/lib/${triplet}/libc.so.6`, { link: 'libc-real.so' }],
    [loader, Buffer.from('loader')],
    ['usr/lib/postgresql/18/bin/postgres', native.get('bin/postgres') as Uint8Array],
    ['usr/lib/postgresql/18/lib/plpgsql.so', native.get('lib/postgresql/plpgsql.so') as Uint8Array],
    ['usr/share/postgresql/18/postgres.bki', Buffer.from('# PostgreSQL 18')],
    ['usr/share/postgresql/18/extension/plpgsql.control', Buffer.from("default_version = '1.0'\n")],
    ['usr/share/postgresql/18/extension/earth.control', Buffer.from("default_version = '2'\nrequires = 'cube, b'\n")],
  ])
}

function alpineFiles(): Layer {
  const machine = { is64: true, isLittle: true, machine: 62, needed: [], requires: [], provides: [] }
  const musl = buildElf({ ...machine, interpreter: '', soname: 'libc.musl-x86_64.so.1' })
  const server = buildElf({ ...machine, interpreter: '/lib/ld-musl-x86_64.so.1', soname: '' })
  return new Map<string, Uint8Array>([
    ['lib/ld-musl-x86_64.so.1', Buffer.concat([musl, Buffer.from('musl libc (x86_64)\nVersion %s\0pad\x001.2.5\0')])],
    ['usr/local/bin/postgres', Buffer.concat([server, Buffer.from('postgres (PostgreSQL) 17.6\n\0')])],
    ['usr/local/lib/postgresql/x.so', Buffer.from('x')],
    ['usr/local/share/postgresql/postgres.bki', Buffer.from('#')],
  ])
}

test('a distribution: its pin, what it is, what it provides, which libc it needs', async () => {
  const found = await inspected(`oci:${layout}:pg18`)
  const digest = digests.get('pg18')
  expect(found).toMatchObject({
    ...{ reference: `oci:${layout}:pg18`, image: `oci:${layout}@${digest}`, digest, manifest: digest },
    ...{ platform: `linux/${architecture}`, platforms: [`linux/${architecture}`] },
    ...{ kind: 'distribution', why: ['server: bin/postgres'], layout: 'prefix', mode: 'relocatable' },
    postgres: { version: expect.stringMatching(/^18\.\d+$/), major: 18 },
    provides: { plpgsql: { version: '1.0', requires: [] } },
    libc: { kind: 'glibc', requires: expect.stringMatching(/^2\.\d+$/) },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }],
  })
  expect(inspectionSchema.parse(found), 'nothing that is not documented').toEqual(found)
})

test("a distribution with a system brings that system's libc, of the server's architecture", async () => {
  const version = /(\d+\.\d+)\s*$/m.exec(execFileSync('ldd', ['--version'], { encoding: 'utf8' }))?.[1]
  expect(await inspected(`oci:${layout}:debian`)).toMatchObject({
    ...{ kind: 'distribution', layout: 'debian', mode: 'rootfs', libc: { kind: 'glibc', version } },
    provides: { earth: { version: '2', requires: ['cube', 'b'] }, plpgsql: { version: '1.0', requires: [] } },
  })
  expect(await inspected(`oci:${layout}:alpine`)).toMatchObject({
    ...{ mode: 'rootfs', postgres: { version: '17.6', major: 17 }, libc: { kind: 'musl', version: '1.2.5' } },
  })
})

test('an extension: what it provides, and for which Postgres and libc it is built', async () => {
  expect(await inspected(`oci:${layout}:hstore`)).toMatchObject({
    kind: 'extension',
    why: ['control files: hstore.control', 'modules: hstore.so'],
    ...{ postgres: { major: 18 }, provides: { hstore: { version: '1.8', requires: [] } }, libc: { kind: 'glibc' } },
    layers: [{}, {}],
  })
})

test('for people, it is a page of columns', async () => {
  const { stdout, code } = await inspect(`oci:${layout}:hstore`)
  expect(code).toBe(0)
  expect(
    Math.max(
      ...stdout
        .replaceAll(folder, '')
        .split('\n')
        .map((line) => line.length),
    ),
  ).toBeLessThanOrEqual(100)
  const shown = stdout
    .replaceAll(folder, '')
    .replace(/sha256:\w+/g, 'sha256:…')
    .replaceAll(architecture, 'ARCH')
  expect(shown.replace(/(\d+(?:\.\d+)?) (kB|bytes)/g, 'N $2')).toMatchInlineSnapshot(`
    "image     oci:/images:hstore
    digest    sha256:…
    platform  linux/ARCH
    kind      extension
    told by   control files: hstore.control
              modules: hstore.so
    postgres  18
    libc      needs glibc 2.4 or later
    provides  hstore 1.8
    layers    sha256:… N bytes tar+gzip
              sha256:…   N kB tar+gzip
    content   N kB in 19 files, links and folders
    "
  `)
})

test('labels that want to draw on the terminal are shown as text', async () => {
  const digest = digests.get('readme') as string
  const at = (one: string) => join(layout, 'blobs/sha256', one.replace('sha256:', ''))
  const manifest = JSON.parse(readFileSync(at(digest), 'utf8'))
  const config = JSON.parse(readFileSync(at(manifest.config.digest), 'utf8'))
  const put = (value: object) => {
    const bytes = Buffer.from(JSON.stringify(value))
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(layout, 'blobs/sha256', hex), bytes)
    return { digest: `sha256:${hex}`, size: bytes.length }
  }
  config.config = { Labels: { evil: '\x1b[2J\u202egone' } }
  const changed = { ...manifest, annotations: { of: 'the manifest' }, config: { ...manifest.config, ...put(config) } }
  const { stdout } = await inspect(`oci:${layout}@${put(changed).digest}`)
  expect(stdout).toContain('evil = \\x1b[2J\\u202egone')
  expect(stdout).toContain('of = the manifest')
})

test.each<[string, string, typeof distribution]>([
  ['an image for another architecture', `oci:${layout}:arm64`, extension],
  ['a missing tag', `oci:${layout}:pg19`, distribution],
  ['a missing layout', 'oci:./nowhere:pg18', distribution],
  ['what is no reference', 'https://ghcr.io/acme/pgvector', distribution],
  ['a setuid program in an extension', `oci:${folder}/setuid:x`, extension],
  ['a damaged layer', `oci:${layout}:damaged`, extension],
])('what up refuses is refused in the same words: %s', async (_, reference, resource) => {
  expect(await inspect(reference)).toEqual({
    ...{ code: 1, stdout: '' },
    stderr: `${await reasonOfUp(reference, resource)}\n`,
  })
})

test('what is neither distribution nor extension is shown, and refused for both reasons', async () => {
  const reference = `oci:${layout}:readme`
  const why = [await reasonOfUp(reference, distribution), await reasonOfUp(reference, extension)]
  const { code, stdout, stderr } = await inspect('--json', reference)
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject({ kind: 'unknown', why, entries: 1, bytes: 5 })
  expect(stderr).toBe(`${why.join('\n')}\n`)
})

/** What `check` says, which is what a preview shows. */
async function reasonOfUp(image: string, resource: typeof distribution): Promise<string> {
  const connection = { host: '127.0.0.1', hostKey: 'ssh-ed25519 AAAA' }
  const inputs = { connection, instance: 'main', name: 'x', image, platform: `linux/${architecture}` }
  const { failures = [] } = (await resource.check?.({}, { ...inputs, postgresMajor: 18 })) ?? {}
  expect(failures).toHaveLength(1)
  return failures[0]?.reason as string
}

function damage(digest: string): void {
  const at = (one: string) => join(layout, 'blobs/sha256', one.replace('sha256:', ''))
  const path = at(JSON.parse(readFileSync(at(digest), 'utf8')).layers[0].digest)
  const bytes = readFileSync(path)
  bytes[40] = (bytes[40] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

testWith('umoci')('--files is the tree that umoci unpacks', async () => {
  const { stdout } = await inspect('--json', '--files', `oci:${layout}:pg18`)
  const [first = '', ...rest] = stdout.trimEnd().split('\n')
  expect(JSON.parse(first)).toMatchObject({ kind: 'distribution', entries: rest.length })
  const lines = rest.map((line) => treeLineSchema.parse(JSON.parse(line)))
  expect(rest).toEqual(lines.map((line) => JSON.stringify(line)))
  const root = join(folder, 'unpacked')
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless']
  execFileSync('umoci', ['raw', 'unpack', ...rootless, '--image', `${layout}:pg18`, root])
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  )
  expect(lines).toEqual(paths.map((path) => onDisk(root, path)))
})

function onDisk(root: string, path: string): TreeLine {
  const full = join(root, path)
  const found = lstatSync(full)
  if (found.isDirectory()) return { path, kind: 'directory', mode: '0755' }
  if (found.isSymbolicLink()) return { path, kind: 'link', mode: '0777', target: readlinkSync(full) }
  const sha256 = createHash('sha256').update(readFileSync(full)).digest('hex')
  return { path, kind: 'file', mode: (found.mode & 0o111) === 0 ? '0444' : '0555', size: found.size, sha256 }
}

test('who has read enough of --files may go', () => {
  const script = '{ "$0" "$1" inspect --files "$2"; echo "exit $?" >&2; } 2>&3 | head -n 1'
  const words = ['-c', `exec 3>&1; ${script} >/dev/null`, process.execPath, 'src/cli/main.ts', `oci:${layout}:pg18`]
  expect(execFileSync('sh', words, { encoding: 'utf8' })).toBe('exit 0\n')
})

testWith('docker-registry', 'skopeo')(
  'an index in a registry: its platforms, and the one that is asked for',
  async () => {
    registry = await startDockerRegistry(join(folder, 'registry'))
    const { host } = registry
    const push = (tag: string) =>
      skopeo(
        folder,
        'copy',
        '--dest-tls-verify=false',
        '-q',
        `oci:${layout}:${tag}`,
        `docker://${host}/acme/hstore:${tag}`,
      )
    await Promise.all([push('hstore'), push('arm64')])
    const put = await fetch(`http://${host}/v2/acme/hstore/manifests/1.8`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
      body: JSON.stringify({
        ...{ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json' },
        manifests: ['hstore', 'arm64'].map((tag) => {
          const digest = digests.get(tag) as string
          const { size } = lstatSync(join(layout, 'blobs/sha256', digest.replace('sha256:', '')))
          const platform = { os: 'linux', architecture: tag === 'arm64' ? other : architecture }
          return { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size, platform }
        }),
      }),
    })
    const digest = put.headers.get('docker-content-digest')
    const env = { PGOCI_CACHE: cache, PGOCI_REGISTRIES: JSON.stringify({ [host]: { insecure: true } }) }
    const reference = `${host}/acme/hstore:1.8`
    const { stdout } = await pgoci(['inspect', '--json', '--platform', `linux/${other}`, reference], { env })
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ reference, image: `${host}/acme/hstore@${digest}`, digest, manifest: digests.get('arm64') },
      ...{ platform: `linux/${other}`, platforms: [`linux/${architecture}`, `linux/${other}`] },
    })
    expect((await pgoci(['inspect', reference], { env })).stdout).toContain(
      `linux/${architecture} (there are linux/${architecture}, linux/${other})`,
    )
  },
)

test.each([
  ['inspect', inspectionSchema],
  ['inspect-files', treeLineSchema],
])('the schema of %s is published', async (name, schema) => {
  const text = `${JSON.stringify(z.toJSONSchema(schema, { io: 'input' }), null, 2)}\n`
  await expect(text).toMatchFileSnapshot(`../../docs/schemas/${name}.json`)
})
