import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ImageRequest, readFlatImage } from '../../src/engine/image.ts'
import { type Digest, digestOf } from '../../src/model/digest.ts'
import { ProviderError } from '../../src/model/error.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import { type Fault, send, stallAfter, startRegistry, status, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { type Blob, blobsOf, image } from '../support/layout.ts'
import { device, file, tar } from '../support/tar.ts'

const parent = temporaryFolder()
const contents = Array.from({ length: 6 }, () => randomBytes(20_000))
const made = image(contents.map((bytes, at) => tar(file(`lib/${at}`, bytes))))
const layers = made.layers as [Blob, Blob, Blob, Blob, Blob, Blob]
const wanted = new Set<Digest>(contents.map(digestOf))

let folder: string
let registry: TestRegistry
beforeEach(async () => {
  folder = mkdtempSync(join(parent, 'cache-'))
  registry = await startRegistry({}, blobsOf(made))
})
afterEach(() => registry.close())

function request(more: Partial<ImageRequest> = {}): ImageRequest {
  const reference = parseReference(`${registry.host}/team/image`)
  return {
    source: openSource(reference, {
      settings: { [registry.host]: { insecure: true } },
      network: { wait: async () => {} },
    }),
    reference,
    digest: made.manifest.digest,
    platform: 'linux/amd64',
    cache: openCache(folder),
    ...more,
  }
}
const fault = (layer: Blob, ...faults: readonly Fault[]) =>
  registry.fault(new RegExp(`blobs/${layer.digest}`), ...faults)
const stall = (layer: Blob) => fault(layer, stallAfter(layer, 100))
const asked = (layer: Blob) => registry.requests.filter((line) => line.endsWith(layer.digest)).length
const deleteCache = () => rmSync(folder, { recursive: true })
const deleteUnpacked = () => rmSync(join(folder, 'derived/unpacked-v1'), { recursive: true })
const deleteBlobs = () => rmSync(join(folder, 'blobs'), { recursive: true })

test('each blob is downloaded once, however many resources and hosts read the image at once', async () => {
  const cache = openCache(folder)
  const read = async () => {
    const flat = await readFlatImage(request({ cache }), 'refuse')
    const found = await Array.fromAsync(flat.read(wanted), ({ digest }) => digest)
    expect(found.toSorted()).toEqual([...wanted].toSorted())
  }
  await Promise.all([read(), read(), read(), read()])
  for (const one of blobsOf(made)) expect(asked(one)).toBe(1)
})

test('a layer that fails ends the others that are on their way, and its error is the one that is told', async () => {
  const [first, , , last] = layers
  stall(first)
  fault(last, status(403))
  await expect(readFlatImage(request(), 'refuse')).rejects.toThrow(`Cannot read "${last.digest}"`)
  // Or it would have been waited for, and asked for again.
  expect(asked(first)).toBe(1)
})

test('a hostile layer ends the download of those above it', async () => {
  const hostile = image([tar(device('dev/x')), ...contents.map((bytes) => tar(file('lib/a', bytes)))])
  const [, above] = hostile.layers as [Blob, Blob]
  await registry.close()
  registry = await startRegistry({}, blobsOf(hostile))
  stall(above)
  await expect(readFlatImage(request({ digest: hostile.manifest.digest }), 'refuse')).rejects.toThrow(
    '"dev/x" is a device or a FIFO',
  )
  expect(asked(above)).toBe(1)
})

test('an abort ends all of it with its reason', async () => {
  const abort = new AbortController()
  const reason = new ProviderError('ABORTED', 'Stopped')
  stall(layers[0])
  fault(layers[1], (answer, asking) => {
    stallAfter(layers[1], 100)(answer, asking)
    setImmediate(() => abort.abort(reason))
  })
  await expect(readFlatImage(request({ signal: abort.signal }), 'refuse')).rejects.toBe(reason)
  expect(asked(layers[0])).toBeLessThan(2)
})

test('nothing leaves the cache before all layers are proven', async () => {
  const flat = await readFlatImage(request(), 'refuse')
  deleteCache()
  fault(layers[5], send(randomBytes(layers[5].size)))
  const left: Digest[] = []
  const read = async () => {
    for await (const { digest } of flat.contents(wanted)) left.push(digest)
  }
  await expect(read()).rejects.toThrow(`Cannot use ${layers[5].digest}`)
  expect(left).toEqual([])
})

test('an image that shares layers with one that was read before costs what its own layers cost', async () => {
  await readFlatImage(request(), 'refuse')
  const own = tar(file('lib/own', 'own'), file('lib/0', 'other'))
  const next = image([...contents.map((bytes, at) => tar(file(`lib/${at}`, bytes))), own])
  await registry.close()
  registry = await startRegistry({}, blobsOf(next))
  deleteBlobs()
  // A process that begins anew has the folder only.
  const flat = await readFlatImage(request({ digest: next.manifest.digest }), 'refuse')
  expect(flat.tree.get('lib/0')).toMatchObject({ digest: digestOf('other'), size: 5 })
  expect(flat.tree.get('lib/5')).toMatchObject({ digest: digestOf(contents[5] as Buffer) })
  expect(next.layers.map(asked)).toEqual([0, 0, 0, 0, 0, 0, 1])
  expect((await Array.fromAsync(flat.read(wanted))).length).toBe(5)
})

test('what is kept of a layer is used for nothing but the same bytes read in the same way', async () => {
  const setuid = image([tar(file('bin/su', 'su', 0o4755))])
  await registry.close()
  registry = await startRegistry({}, blobsOf(setuid))
  const asks = request({ digest: setuid.manifest.digest })
  expect((await readFlatImage(asks, 'strip')).tree.has('bin/su')).toBe(true)
  await expect(readFlatImage(asks, 'refuse')).rejects.toThrow('"bin/su" is setuid or setgid')
})

test('layers that are not needed are not fetched', async () => {
  const flat = await readFlatImage(request(), 'refuse')
  deleteCache()
  const [only] = wanted
  await Array.fromAsync(flat.read(new Set([only as Digest])))
  expect(layers.map(asked)).toEqual([2, 1, 1, 1, 1, 1])
})

test('a cache that is deleted while its image is on the way to a host is filled again where that is needed', async () => {
  const flat = await readFlatImage(request(), 'refuse')
  const read = async (deleteSome: () => void) => {
    const left: Digest[] = []
    for await (const { digest } of flat.read(wanted)) {
      left.push(digest)
      if (left.length === 3) deleteSome()
    }
    expect(left).toEqual([...wanted])
  }
  await read(deleteBlobs)
  expect(layers.map(asked)).toEqual([1, 1, 1, 1, 1, 1])
  deleteUnpacked()
  await read(deleteBlobs)
  expect(layers.map(asked)).toEqual([2, 2, 2, 3, 3, 3])
})

test('what an image unpacks to is read again without its layers, and is proven each time', async () => {
  const flat = await readFlatImage(request(), 'refuse')
  deleteBlobs()
  expect((await Array.fromAsync(flat.read(wanted))).length).toBe(6)
  expect(layers.map(asked)).toEqual([1, 1, 1, 1, 1, 1])
  const unpacked = join(folder, 'derived/unpacked-v1')
  for (const name of readdirSync(unpacked)) {
    const bytes = readFileSync(join(unpacked, name))
    bytes[600] = (bytes[600] ?? 0) ^ 1
    writeFileSync(join(unpacked, name), bytes)
  }
  for (const _ of layers)
    await expect(Array.fromAsync(flat.read(wanted))).rejects.toThrow('it was proven and is another one now')
  expect((await Array.fromAsync(flat.read(wanted))).length).toBe(6)
})

test('a layer that is refused is not kept unpacked', async () => {
  const hostile = image([tar(file('lib/a', 'a')), tar(device('dev/x'))])
  await registry.close()
  registry = await startRegistry({}, blobsOf(hostile))
  await expect(readFlatImage(request({ digest: hostile.manifest.digest }), 'refuse')).rejects.toThrow('a device')
  expect(readdirSync(join(folder, 'derived/unpacked-v1')).length).toBe(1)
})
