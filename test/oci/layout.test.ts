import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { digestOf, hexOf } from '../../src/model/digest.ts'
import { ProviderError } from '../../src/model/error.ts'
import { openCache } from '../../src/oci/cache.ts'
import { folderFiles } from '../../src/oci/folder-files.ts'
import { layoutSource } from '../../src/oci/layout.ts'
import { goModule } from '../support/go-module.ts'
import { blobsOf, descriptor, image, type TestImage, writeLayoutOf } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { pulled } from '../support/pulled.ts'
import { end, file, sum, tar } from '../support/tar.ts'

const folder = mkdtempSync(join(tmpdir(), 'pgoci-layout-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const one = image([end])
const two = image([end], { architecture: 'arm64' })
let layout: string
beforeEach(() => {
  layout = mkdtempSync(join(folder, 'layout-'))
  writeLayoutOf(layout, { one: one.manifest, two: two.manifest }, [...blobsOf(one), ...blobsOf(two)])
})

async function failure(run: Promise<unknown>): Promise<string> {
  const error = await run.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ProviderError)
  return (error as ProviderError).message
}
const blobAt = (content: { digest: Parameters<typeof hexOf>[0] }) =>
  join(layout, 'blobs', 'sha256', hexOf(content.digest))

test('a tag names its image, and without a tag the only image is meant', async () => {
  expect((await layoutSource(folderFiles(layout)).resolve('two')).digest).toBe(two.manifest.digest)
  writeLayoutOf(layout, { one: one.manifest }, [])
  expect((await layoutSource(folderFiles(layout)).resolve(undefined)).digest).toBe(one.manifest.digest)
})

test('a tag that is missing, or none where it needs one, names what there is', async () => {
  const source = layoutSource(folderFiles(layout))
  expect(await failure(source.resolve('three'))).toContain('Cannot find the tag "three"')
  expect(await failure(source.resolve('three'))).toContain('it has one, two; use one of them')
  expect(await failure(source.resolve(undefined))).toContain('2 fit, and its tags are one, two; name one tag')
})

test.each<[string, () => void, RegExp]>([
  [
    'a folder without oci-layout',
    () => rmSync(join(layout, 'oci-layout')),
    /there is no oci-layout, so it is no OCI layout/,
  ],
  ['a folder that is not there', () => rmSync(layout, { recursive: true }), /there is no oci-layout/],
  [
    'a layout of version 2',
    () => writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"2.0"}'),
    /"imageLayoutVersion"/,
  ],
  ['an index that is no JSON', () => writeFileSync(join(layout, 'index.json'), '{'), /is no JSON/],
  [
    'an index of 5 MiB (CVE-2023-25153)',
    () => writeFileSync(join(layout, 'index.json'), Buffer.alloc(5 * 1024 ** 2)),
    /larger than 4 MiB/,
  ],
  [
    'an index that is a folder out of it',
    () => replaceByLink('index.json', '/etc/hostname'),
    /a link out of the layout/,
  ],
])('%s is refused', async (_, damage, says) => {
  damage()
  expect(await failure(layoutSource(folderFiles(layout)).resolve('one'))).toMatch(says)
})

function replaceByLink(path: string, target: string): void {
  rmSync(join(layout, path))
  symlinkSync(target, join(layout, path))
}

test('a blob that leads out of the layout, is missing, or is no file is refused', async () => {
  const source = layoutSource(folderFiles(layout))
  const [layer] = one.layers as [(typeof one.layers)[0]]
  rmSync(blobAt(layer))
  expect(await failure(source.blob(layer))).toContain('the layout is incomplete')
  symlinkSync('/etc/hostname', blobAt(layer))
  expect(await failure(source.blob(layer))).toContain('a link out of the layout')
  rmSync(blobAt(layer))
  expect(spawnSync('mkfifo', [blobAt(layer)]).status).toBe(0)
  expect(await failure(source.blob(layer))).toContain('it is no file')
})

test('a link inside the layout is followed, as tools share blobs by them', async () => {
  const [layer] = one.layers as [(typeof one.layers)[0]]
  rmSync(blobAt(layer))
  writeFileSync(join(layout, 'shared'), layer.bytes)
  symlinkSync('../../shared', blobAt(layer))
  await openCache(join(layout, 'cache')).blob(layoutSource(folderFiles(layout)), layer)
})

test('whatever byte of whatever blob is changed, cut off or added, the image is refused', async () => {
  for (const content of blobsOf(one)) {
    const flipped = Buffer.from(content.bytes)
    flipped[content.size >> 1] = (flipped[content.size >> 1] as number) ^ 1
    for (const bytes of [flipped, content.bytes.subarray(1), Buffer.concat([content.bytes, Buffer.from(' ')])]) {
      writeFileSync(blobAt(content), bytes)
      const cache = openCache(mkdtempSync(join(folder, 'cache-')))
      const source = layoutSource(folderFiles(layout))
      const use = content === one.manifest ? cache.manifest(source, content.digest) : cache.blob(source, content)
      expect(await failure(use)).toContain(`Cannot use ${content.digest} from oci:`)
    }
    writeFileSync(blobAt(content), content.bytes)
    expect(digestOf(content.bytes)).toBe(content.digest)
  }
})

/** The layout's index, its entries named by these annotations. */
function writeIndex(...entries: { of: TestImage; ref?: string; name?: string; artifactType?: string }[]): void {
  const manifests = entries.map(({ of, ref, name, ...more }) => ({
    ...descriptor(of.manifest),
    ...more,
    annotations: {
      ...(ref ? { 'org.opencontainers.image.ref.name': ref } : {}),
      ...(name ? { 'io.containerd.image.name': name } : {}),
    },
  }))
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
}
const resolve = async (tag?: string) => (await layoutSource(folderFiles(layout)).resolve(tag)).digest

test('BuildKit and containerd write the whole name beside the tag, and either is understood', async () => {
  writeIndex(
    { of: one, ref: '17', name: 'docker.io/library/postgres:17' },
    { of: two, ref: '17', name: 'docker.io/acme/postgres:17' },
  )
  for (const tag of ['docker.io/library/postgres:17', 'postgres:17', 'library/postgres:17'])
    expect(await resolve(tag)).toBe(one.manifest.digest)
  expect(await resolve('acme/postgres:17')).toBe(two.manifest.digest)
  expect(await failure(resolve('17'))).toContain(
    '2 fit, and its tags are docker.io/library/postgres:17, 17, docker.io/acme/postgres:17; name one tag',
  )
  writeIndex({ of: one, name: 'docker.io/library/postgres:17' }, { of: two, ref: 'other' })
  expect(await resolve('postgres:17')).toBe(one.manifest.digest)
})

test('a whole reference is a tag; its own tag is enough where that means one image', async () => {
  writeIndex({ of: one, ref: 'ghcr.io/acme/pgvector:0.8.1' }, { of: two, ref: 'localhost:5000/acme/cube' })
  expect(await resolve('ghcr.io/acme/pgvector:0.8.1')).toBe(one.manifest.digest)
  expect(await resolve('0.8.1')).toBe(one.manifest.digest)
  expect(await resolve('localhost:5000/acme/cube')).toBe(two.manifest.digest)
  expect(await resolve('localhost:5000/acme/cube:latest')).toBe(two.manifest.digest)
  expect(await failure(resolve('5000/acme/cube'))).toContain('Cannot find the tag')
  // An exact name comes before all that is only like it.
  writeIndex({ of: one, ref: 'ghcr.io/acme/pgvector:0.8.1' }, { of: two, ref: '0.8.1' })
  expect(await resolve('0.8.1')).toBe(two.manifest.digest)
})

test('without a tag, signatures and what has no name beside an image are no choice', async () => {
  const signature = image([tar(file('signature'))])
  const cosign = `sha256-${hexOf(one.manifest.digest)}.sig`
  writeIndex({ of: one, ref: 'postgres' }, { of: signature, ref: cosign }, { of: two })
  expect(await resolve()).toBe(one.manifest.digest)
  expect(await resolve(cosign)).toBe(signature.manifest.digest)
  expect(await failure(resolve('x'))).toContain('it has postgres; use')
  writeIndex({ of: one }, { of: signature, ref: cosign })
  expect(await resolve()).toBe(one.manifest.digest)
  writeIndex({ of: one, ref: 'a' }, { of: one, ref: 'b' })
  expect(await resolve()).toBe(one.manifest.digest)
  writeIndex()
  expect(await failure(resolve())).toContain('it lists none; copy the image again')
})

testWith('umoci')('what umoci writes is read, as a folder and as an archive of it', async () => {
  const made = join(folder, 'umoci')
  const source = join(folder, 'file')
  writeFileSync(source, 'content')
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless']
  for (const words of [
    ['init', '--layout', made],
    ['new', '--image', `${made}:v1.0`],
    ['insert', ...rootless, '--image', `${made}:v1.0`, source, '/usr/share/file'],
    ['tag', '--image', `${made}:v1.0`, 'other'],
  ])
    expect(spawnSync('umoci', words, { encoding: 'utf8' })).toMatchObject({ status: 0 })
  expect(spawnSync('tar', ['-cf', `${made}.tar`, '-C', made, '.']).status).toBe(0)
  const platform = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`
  const found = await pulled(`oci:${made}:v1.0`, {}, platform)
  expect(found.tree).toContain(`usr/share/file = ${sum('content')}`)
  expect(await pulled(`oci-archive:${made}.tar:other`, {}, platform)).toEqual(found)
})

// Their configs name no platform, so what is asked here is what a layout is asked.
for (const [name, tag, size] of [
  ['test_index_one_image', undefined, 344],
  ['test_index', '1', 423],
  ['test_index', '3', 314],
  ['test_index_media_type', undefined, 391],
] as const)
  testWith('go')(`go-containerregistry’s layout ${name}, ${tag ?? 'without a tag'}, gives its manifest`, async () => {
    const theirs = layoutSource(folderFiles(join(goModule('crane'), 'pkg/v1/layout/testdata', name)))
    const { digest } = await theirs.resolve(tag)
    const bytes = await theirs.manifest(digest)
    expect([digestOf(bytes), bytes.length]).toEqual([digest, size])
  })
