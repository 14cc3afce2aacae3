// Run as a process of its own: with the whole provider loaded, brings an image from a layout to the stream that a
// host would get, and prints how many bytes that was, and the most memory that the process had, in MiB, before the
// image and in all.
import { createReadStream } from 'node:fs'
import { decompress } from '../../src/archive/decompress.ts'
import { type Member, packTar } from '../../src/archive/pack.ts'
import { layerContents } from '../../src/layer/contents.ts'
import type { LayerEntry } from '../../src/layer/entry.ts'
import { flatten } from '../../src/layer/flatten.ts'
import { readLayer } from '../../src/layer/read.ts'
import type { Digest } from '../../src/model/digest.ts'
import { openCache } from '../../src/oci/cache.ts'
import { folderFiles } from '../../src/oci/folder-files.ts'
import { readImage } from '../../src/oci/image.ts'
import { layoutSource } from '../../src/oci/layout.ts'

await import('../../src/provider.ts')
const most = () => process.resourceUsage().maxRSS / 1024
const before = most()
const [folder = '', cacheFolder = ''] = process.argv.slice(2)
const source = layoutSource(folderFiles(folder))
const cache = openCache(cacheFolder)
const { digest } = await source.resolve('large')
const image = await readImage(source, digest, { cache, platform: { os: 'linux', architecture: 'amd64' } })
const open = async (layer: (typeof image.layers)[number]) =>
  decompress(createReadStream(await cache.blob(source, layer), { highWaterMark: 256 * 1024 }))

const layers: LayerEntry[][] = []
for (const layer of image.layers)
  layers.push(await readLayer(await open(layer), { diffId: layer.diffId, special: 'refuse' }))
const tree = flatten(layers)

async function* members(): AsyncIterable<Member> {
  for (const [at, layer] of image.layers.entries()) {
    const wanted = new Map<string, Digest>()
    for (const entry of layers[at] ?? []) if (entry.kind === 'file') wanted.set(entry.path, entry.digest)
    for await (const { path, size, content } of layerContents(await open(layer), wanted))
      yield { kind: 'file', path, size, executable: false, content }
  }
}
let bytes = 0
for await (const chunk of packTar(members()) as AsyncIterable<Buffer>) bytes += chunk.length
console.log(JSON.stringify({ entries: tree.size, bytes, before, memory: most() }))
