import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { beforeEach, expect, test } from 'vitest'
import { digestOf, hexOf } from '../../src/model/digest.ts'
import { ProviderError } from '../../src/model/error.ts'
import { archiveFiles } from '../../src/oci/archive-files.ts'
import { openCache } from '../../src/oci/cache.ts'
import { folderFiles } from '../../src/oci/folder-files.ts'
import { readImage } from '../../src/oci/image.ts'
import { layoutSource } from '../../src/oci/layout.ts'
import { skopeo } from '../support/docker-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { type Blob, blobsOf, image, layoutFilesOf, type TestImage, tarOf, writeLayoutOf } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { device, directory, file, hardlink, header, link, meta, pax, tar } from '../support/tar.ts'

const one = image([tar(file('one', 'one')), gzipSync(tar(file('more', 'more')))])
const two = image([tar(file('two', 'two'))])
const blobs = [...blobsOf(one), ...blobsOf(two)]
const files = layoutFilesOf({ 'ghcr.io/acme/one:1.0': one.manifest, two: two.manifest }, blobs)
const blobAt = (content: Blob) => `blobs/sha256/${hexOf(content.digest)}`

let folder: string
let path: string
beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder, 'images.tar')
})

const source = () => layoutSource(archiveFiles(path, 'oci-archive'))
const unpacked = (bytes: Buffer) => (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes)
const layersOf = ({ layers }: TestImage) => layers.map(({ bytes }) => unpacked(bytes))
/** The layers' bytes, uncompressed, as the whole way through the cache gives them. */
const read = async (tag: string) => {
  const cache = openCache(join(temporaryFolder(), 'cache'))
  const { digest } = await source().resolve(tag)
  const found = await readImage(source(), digest, { cache, platform: { os: 'linux', architecture: 'amd64' } })
  return Promise.all(found.layers.map(async (layer) => unpacked(readFileSync(await cache.blob(source(), layer)))))
}

async function failure(run: Promise<unknown>): Promise<string> {
  const error = await run.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ProviderError)
  const { message } = error as ProviderError
  expect(message).toMatch(/^Cannot [^\n]+$/)
  return message
}

test.each<[string, (bytes: Buffer) => Buffer]>([
  ['plain', (bytes) => bytes],
  ['gzip', (bytes) => gzipSync(bytes)],
  ['two members of gzip', (bytes) => Buffer.concat([gzipSync(bytes.subarray(0, 700)), gzipSync(bytes.subarray(700))])],
  ['zstd', (bytes) => zstdCompressSync(bytes)],
])('an archive of %s gives every image, whole', async (_, pack) => {
  writeFileSync(path, pack(tarOf(files)))
  expect(await read('ghcr.io/acme/one:1.0')).toEqual(layersOf(one))
  expect(await read('two')).toEqual(layersOf(two))
  expect(await failure(source().resolve(undefined))).toContain(
    `2 fit, and its tags are ghcr.io/acme/one:1.0, two; name one tag, or one digest as in oci-archive:${path}@sha256:`,
  )
})

test('an archive made by tar from a folder is the same, with ./ and folders in it', async () => {
  writeLayoutOf(join(folder, 'layout'), { one: one.manifest }, blobsOf(one))
  expect(spawnSync('tar', ['-cf', path, '-C', join(folder, 'layout'), '.']).status).toBe(0)
  expect(await read('one')).toEqual(layersOf(one))
})

testWith('skopeo')('what skopeo writes is read, and a tag may be a whole reference for both', async () => {
  const layout = join(folder, 'layout')
  writeLayoutOf(layout, { one: one.manifest }, blobsOf(one))
  const tag = 'ghcr.io/acme/pgvector:0.8.1'
  await skopeo(folder, 'copy', `oci:${layout}:one`, `oci-archive:${path}:${tag}`)
  expect(await read(tag)).toEqual(layersOf(one))
  expect(await read('0.8.1')).toEqual(layersOf(one))
  expect(await source().resolve(undefined)).toEqual(await source().resolve(tag))
  // And the other way: what our reader takes, skopeo takes.
  writeFileSync(path, tarOf(files))
  await skopeo(
    folder,
    'copy',
    '--preserve-digests',
    `oci-archive:${path}:ghcr.io/acme/one:1.0`,
    `oci:${join(folder, 'copy')}:one`,
  )
  expect(await layoutSource(folderFiles(join(folder, 'copy'))).resolve('one')).toEqual({ digest: one.manifest.digest })
})

test('links between members are followed, in the archive only', async () => {
  const [layer] = one.layers as [Blob]
  const shared = new Map([...files].filter(([name]) => name !== blobAt(layer)))
  const links = [link(blobAt(layer), '../../shared/b'), hardlink('shared/b', 'shared/a'), file('shared/a', layer.bytes)]
  writeFileSync(path, Buffer.concat([...links, tarOf(shared)]))
  expect(await read('ghcr.io/acme/one:1.0')).toEqual(layersOf(one))
})

const document = (bytes: Buffer) => tarOf(new Map([...files, ['index.json', bytes]]))
const bomb = () =>
  gzipSync(Buffer.concat([header({ name: 'x', size: 300 * 1024 ** 2 }), Buffer.alloc(300 * 1024 ** 2)]))

test.each<[string, () => Buffer, RegExp]>([
  ['an absolute name', () => Buffer.concat([file('/etc/x'), tarOf(files)]), /its entry "\/etc\/x" is absolute; make/],
  ['a climbing name', () => Buffer.concat([file('a/../../x'), tarOf(files)]), /leaves the root through "\.\."/],
  ['a member twice', () => Buffer.concat([file('index.json', '{}'), tarOf(files)]), /"index.json" is there twice/],
  ['a member twice, as ./', () => Buffer.concat([file('./index.json', '{}'), tarOf(files)]), /is there twice/],
  ['a folder that is a file', () => Buffer.concat([directory('oci-layout/'), tarOf(files)]), /is there twice/],
  ['a file for the root', () => Buffer.concat([file('./.', ''), tarOf(files)]), /is there twice/],
  ['a device', () => Buffer.concat([device('dev'), tarOf(files)]), /"dev" is a device or a FIFO/],
  ['an absolute link', () => Buffer.concat([link('x', '/etc/passwd'), tarOf(files)]), /"x" is a link out of/],
  ['a climbing link', () => Buffer.concat([link('a/x', '../../b'), tarOf(files)]), /"a\/x" is a link out of/],
  ['a hard link out', () => Buffer.concat([hardlink('x', '../b'), tarOf(files)]), /"x" is a link out of/],
  ['an absolute hard link', () => Buffer.concat([hardlink('x', '/b'), tarOf(files)]), /"x" is a link out of/],
  ['a sparse file', () => Buffer.concat([header({ name: 'x', type: 'S' }), tarOf(files)]), /"x" is a sparse file/],
  ['a sparse file of PAX', () => Buffer.concat([pax({ 'GNU.sparse.major': '1' }), tarOf(files)]), /is a sparse file/],
  ['a long name', () => Buffer.concat([meta('L', 'x'.repeat(1500)), tarOf(files)]), /longer than 1024 characters/],
  ['a name that draws', () => Buffer.concat([file('\u001b[2J'), tarOf(files)]), /"\\x1b\[2J" holds control/],
  ['a size beyond the end', () => header({ name: 'x', size: 9999 }), /it ends 9999 bytes before the end of a file/],
  ['a cut file', () => tarOf(files).subarray(0, -1024 - 100), /it ends \d+ bytes before|in the middle of a block/],
  ['a cut header', () => tarOf(files).subarray(0, 700), /it ends/],
  ['data after the end', () => Buffer.concat([tarOf(files), file('x')]), /there is data after the end/],
  ['a cut gzip', () => gzipSync(tarOf(files)).subarray(0, -20), /its compressed data is damaged or ends early/],
  ['a bomb', bomb, /unpacks to more than 250 times its size/],
  ['too many members', () => Buffer.concat(Array.from({ length: 20_001 }, (_, i) => file(`${i}`))), /more than 20000/],
  ['text', () => Buffer.from('hello '.repeat(200)), /no valid checksum, so this is no tar/],
  ['what xz made', () => Buffer.from('\xfd7zXZ\0 and more', 'latin1'), /it is compressed with xz; make it plain/],
  ['what bzip2 made', () => Buffer.from('BZh91AY&SY'), /it is compressed with bzip2/],
  ['a ZIP', () => Buffer.from('PK\x03\x04 and more'), /it is a ZIP archive/],
  ['nothing', () => Buffer.alloc(0), /there is no oci-layout, so it is no OCI layout; check the path/],
  ['an archive of docker save', () => tarOf(new Map([['manifest.json', Buffer.from('[]')]])), /write docker-archive:/],
  ['an index of 5 MiB (CVE-2023-25153)', () => document(Buffer.alloc(5 * 1024 ** 2, ' ')), /larger than 4 MiB/],
  ['an index that is no JSON', () => document(Buffer.from('{')), /is no JSON/],
  [
    'an index that is a folder',
    () => Buffer.concat([directory('index.json'), layoutWithout('index.json')]),
    /a folder/,
  ],
  [
    'a link to itself',
    () => Buffer.concat([link('index.json', 'index.json'), layoutWithout('index.json')]),
    /a link to/,
  ],
  ['a link to nothing', () => Buffer.concat([link('index.json', 'x'), layoutWithout('index.json')]), /no index.json/],
])('%s is refused in one line', async (_, make, says) => {
  writeFileSync(path, make())
  expect(await failure(source().resolve('two'))).toMatch(says)
})

const layoutWithout = (name: string) => tarOf(new Map([...files].filter(([path]) => path !== name)))

test('an index of 100 MB is refused by its size', async () => {
  const size = 100 * 1024 ** 2
  writeFileSync(
    path,
    Buffer.concat([file('oci-layout', '{"imageLayoutVersion":"1.0.0"}'), header({ name: 'index.json', size })]),
  )
  truncateSync(path, 2048 + size)
  expect(await failure(source().resolve('two'))).toContain('larger than 4 MiB')
})

test.each<[string, (at: string) => void, RegExp]>([
  ['a FIFO', (at) => spawnSync('mkfifo', [at]), /it is no file; give the path of an archive/],
  ['a folder', (at) => mkdirSync(at), /it is a folder; write oci:DIR for a layout/],
  ['a device', (at) => symlinkSync('/dev/zero', at), /it is no file/],
  ['nothing', () => {}, /there is no such file; check the path/],
  [
    'larger than 64 GiB',
    (at) => {
      writeFileSync(at, '')
      truncateSync(at, 65 * 1024 ** 3)
    },
    /larger than 64 GiB/,
  ],
])('an archive that is %s is refused', async (_, make, says) => {
  make(path)
  expect(await failure(source().resolve('two'))).toMatch(says)
})

test('a missing blob is named, and one with other bytes is refused', async () => {
  const [layer] = two.layers as [Blob]
  writeFileSync(path, layoutWithout(blobAt(layer)))
  expect(await failure(read('two'))).toContain(
    `Cannot find ${blobAt(layer)} in oci-archive:${path}: the layout is incom`,
  )
  writeFileSync(path, tarOf(new Map([...files, [blobAt(layer), Buffer.alloc(layer.size)]])))
  expect(await failure(read('two'))).toContain(`Cannot use ${layer.digest} from oci-archive:`)
})

test('an archive that is rebuilt is read anew, and a pin in it still holds', async () => {
  writeFileSync(path, tarOf(files))
  await read('two')
  const three = image([tar(file('three', 'three'))])
  const rebuilt = layoutFilesOf({ new: three.manifest }, [...blobsOf(three), ...blobsOf(two)])
  rebuilt.set(blobAt(two.manifest), two.manifest.bytes)
  writeFileSync(`${path}.new`, tarOf(rebuilt))
  renameSync(`${path}.new`, path)
  expect((await source().resolve('new')).digest).toBe(three.manifest.digest)
  expect(digestOf(await source().manifest(two.manifest.digest))).toBe(two.manifest.digest)
})

test('an archive that is replaced while a member is read is a clear error', async () => {
  const large = image([tar(file('large', Buffer.alloc(2 * 1024 ** 2)))])
  const [layer] = large.layers as [Blob]
  const bytes = tarOf(layoutFilesOf({ large: large.manifest }, blobsOf(large)))
  for (const replace of [() => truncateSync(path, 5000), () => writeFileSync(path, bytes)]) {
    writeFileSync(path, bytes)
    const stream = await source().blob(layer)
    const reading = (async () => {
      let chunks = 0
      for await (const _ of stream) if (chunks++ === 0) replace()
    })()
    expect(await failure(reading)).toContain('it was replaced while it was read; run it again')
  }
  for (const other of [Buffer.alloc(99), gzipSync(bytes).subarray(0, -100)]) {
    writeFileSync(path, bytes)
    const stream = await source().blob(layer)
    writeFileSync(path, other)
    expect(await failure(Array.fromAsync(stream))).toContain('it was replaced while it was read')
  }
})

test('members of a compressed archive come whole in any order, at once, and after some were given up', async () => {
  const parts = Array.from({ length: 12 }, (_, i) => Buffer.alloc(300_000 + i * 70_001, randomBytes(999)))
  const many = image(parts)
  writeFileSync(path, gzipSync(tarOf(layoutFilesOf({ many: many.manifest }, blobsOf(many))), { level: 1 }))
  const whole = async (layer: Blob) => {
    const stream = await source().blob(layer)
    return digestOf(Buffer.concat(await Array.fromAsync(stream as AsyncIterable<Buffer>))) === layer.digest
  }
  const { layers } = many
  for (const layer of [...layers, ...layers.toReversed()]) expect(await whole(layer)).toBe(true)
  for await (const _ of await source().blob(layers[5] as Blob)) break
  const all = await Promise.all([...layers, ...layers.toReversed()].map(whole))
  expect(all).toEqual(all.map(() => true))
})

test('who gives up does not take the index from others', async () => {
  writeFileSync(path, gzipSync(tarOf(files)))
  const stop = new AbortController()
  const mine = source().resolve('two', { signal: stop.signal })
  const other = source().resolve('two')
  stop.abort(new Error('stop'))
  await expect(mine).rejects.toThrow('stop')
  expect((await other).digest).toBe(two.manifest.digest)
})
