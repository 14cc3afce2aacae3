import { z } from 'zod'
import { Budget } from '../layer/budget.ts'
import type { LayerEntry } from '../layer/entry.ts'
import { flatten } from '../layer/flatten.ts'
import { readLayer } from '../layer/read.ts'
import { type Digest, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { parsePlatform } from '../model/platform.ts'
import { formatPinned, type Reference } from '../model/reference.ts'
import type { Entry, Tree } from '../model/tree.ts'
import type { Cache } from '../oci/cache.ts'
import { type Image, readImage } from '../oci/image.ts'
import { digestSchema } from '../oci/schema.ts'
import type { Source } from '../oci/source.ts'
import type { Hole } from '../postgres/elf-file.ts'
import { layerEntries } from './layer-entries.ts'
import { fetchLayers, filesOfLayers, readUnpacked } from './layers.ts'
import type { Content } from './member.ts'
import { memory } from './memory.ts'
import { onceFor } from './once.ts'
import type { Part } from './part.ts'

/** Files whose content tells facts: a server, modules, control files. The largest known, LLVM's, have 120 MB. */
const maxFactFile = 128 * 1024 * 1024
/** Of larger files than both together, readers of edges see only these. */
const edges = { head: 24 * 1024 * 1024, tail: 8 * 1024 * 1024 }
/** Beyond that no edges are read either: Postgres has nothing so large. */
const maxEdgedFile = 1024 ** 3

/** One pinned image for one platform, and where its bytes come from. */
export interface ImageRequest {
  readonly source: Source
  readonly reference: Reference
  readonly digest: Digest
  readonly platform: string
  readonly cache: Cache
  /** Of an extension's image, where not all of it is wanted. */
  readonly part?: Part
  readonly signal?: AbortSignal
}

/** An image whose every layer was proven, flattened; with where in which layer each content lies. */
export interface FlatImage {
  readonly image: Image
  /** `name@sha256:…`, for messages and records. */
  readonly pinned: string
  readonly tree: Tree
  /** The wanted files, in the image's order; each once. */
  contents(wanted: ReadonlySet<Digest>, options?: { signal?: AbortSignal }): AsyncIterable<Content>
  /** Reads files whole, in the image's order; or of large ones only the edges. */
  read(wanted: ReadonlySet<Digest>, options?: { edges: boolean }): AsyncIterable<WholeFile>
  /** What was derived from this image before, or derived now. */
  derived<T>(kind: string, schema: z.ZodType<T>, derive: () => Promise<T>): Promise<T>
}

export interface WholeFile {
  readonly digest: Digest
  readonly bytes: Buffer
  /** Bytes that were left out, which are zeros here. */
  readonly hole?: Hole
}

interface Flat {
  readonly tree: Tree
  readonly places: ReadonlyMap<Digest, { readonly layer: number; readonly path: string }>
}

/** Entries; some ten distributions that are whole operating systems, or 50 MB. */
const maxRemembered = 150_000
const derivedOnce = onceFor<Tree>()
/** One for each cache; in a run there is one. */
const memories = new WeakMap<Cache, ReturnType<typeof memory<Flat>>>()

const flatSchema = z.object({
  entries: z.array(z.tuple([z.string(), z.string(), z.number(), z.boolean()])),
  places: z.array(z.tuple([digestSchema, z.number(), z.string()])),
})

/**
 * @param special what happens to setuid files: a distribution's lose the bit, an extension's are refused
 * @param above that many layers are left out, from the lowest on, and never asked for
 */
export async function readFlatImage(request: ImageRequest, special: 'refuse' | 'strip', above = 0): Promise<FlatImage> {
  const { cache, digest, reference } = request
  const signal = request.signal ? { signal: request.signal } : {}
  const whole = await readImageOf(request)
  const image = { ...whole, layers: whole.layers.slice(above) }
  const key = `${image.manifest} ${special}${above > 0 ? ` above ${above}` : ''}`
  const remember = memories.get(cache) ?? memory<Flat>(maxRemembered, (flat) => flat.tree.size)
  memories.set(cache, remember)
  const { tree, places } = await remember(
    key,
    (stop) => flatOf(image, { ...request, signal: stop }, { special, key }),
    request.signal,
  )
  const contents: FlatImage['contents'] = (wanted, options = signal) =>
    contentsOf({ image, places }, { ...request, ...options }, wanted)
  return {
    image,
    pinned: formatPinned(reference, digest),
    tree,
    contents,
    read: (wanted, how) => (how?.edges ? readEdges(contents(wanted)) : readWhole(contents(wanted))),
    derived: (kind, schema, derive) => derivedOnce(tree, kind, () => cache.json(kind, key, schema, derive)),
  }
}

/** The metadata alone. */
export function readImageOf({ source, digest, cache, ...request }: ImageRequest): Promise<Image> {
  const platform = parsePlatform(request.platform) ?? { os: 'linux', architecture: request.platform }
  return readImage(source, digest, { platform, cache, ...(request.signal ? { signal: request.signal } : {}) })
}

async function flatOf(
  image: Image,
  request: ImageRequest,
  { special, key }: { readonly special: 'refuse' | 'strip'; readonly key: string },
): Promise<Flat> {
  const flat = await request.cache.json('flat-v1', key, flatSchema, () => flattenImage(image, request, special))
  return {
    tree: new Map(flat.entries.map(([path, value, size, executable]) => [path, thaw(value, size, executable)])),
    places: new Map(flat.places.map(([content, layer, path]) => [content, { layer, path }])),
  }
}

async function flattenImage(image: Image, request: ImageRequest, special: 'refuse' | 'strip') {
  const signal = request.signal ? { signal: request.signal } : {}
  const budget = new Budget()
  const entries = layerEntries(request.cache, special)
  const layers: LayerEntry[][] = []
  const named = image.layers.map((layer, index) => ({ layer, name: layerName(request, index) }))
  const known = await Promise.all(named.map(({ layer, name }) => entries.find(layer, { budget, name })))
  const arriving = fetchLayers(
    image.layers.filter((_, index) => known[index] === undefined),
    request,
  )
  try {
    // Lower layers are read while upper ones arrive.
    for (const [index, { layer, name }] of named.entries()) {
      const read = async () => {
        await arriving.blob(layer)
        const found = await readUnpacked(layer, { ...request, name }, (tar) =>
          readLayer(tar, { diffId: layer.diffId, special, budget, name, ...signal }),
        )
        await entries.keep(layer, found)
        return found
      }
      layers.push(known[index] ?? (await read()))
    }
  } finally {
    await arriving.stop()
  }
  const tree = flatten(layers, { special })
  const used = new Set([...tree.values()].flatMap((entry) => (entry.kind === 'file' ? [entry.digest] : [])))
  const places = new Map<Digest, { layer: number; path: string }>()
  layers.forEach((entries, layer) => {
    for (const entry of entries) {
      if (entry.kind !== 'file' || !used.has(entry.digest) || places.has(entry.digest)) continue
      places.set(entry.digest, { layer, path: entry.path })
    }
  })
  return {
    entries: [...tree].map(([path, entry]) => freeze(path, entry)),
    places: [...places].map(([digest, { layer, path }]): [Digest, number, string] => [digest, layer, path]),
  }
}

function freeze(path: string, entry: Entry): [string, string, number, boolean] {
  if (entry.kind === 'file') return [path, entry.digest, entry.size, entry.executable]
  return [path, entry.kind === 'link' ? `l${entry.target}` : 'd', 0, false]
}

function thaw(value: string, size: number, executable: boolean): Entry {
  if (isDigest(value)) return { kind: 'file', digest: value, size, executable }
  return value === 'd' ? { kind: 'directory' } : { kind: 'link', target: value.slice(1) }
}

function layerName({ reference, digest }: ImageRequest, index: number): string {
  return `layer ${index + 1} of ${formatPinned(reference, digest)}`
}

async function* contentsOf(
  flat: { readonly image: Image; readonly places: Flat['places'] },
  request: ImageRequest,
  wanted: ReadonlySet<Digest>,
): AsyncIterable<Content> {
  const byLayer = new Map<number, Map<string, Digest>>()
  for (const digest of wanted) {
    const place = flat.places.get(digest)
    if (place === undefined) continue
    const paths = byLayer.get(place.layer) ?? new Map<string, Digest>()
    byLayer.set(place.layer, paths.set(place.path, digest))
  }
  const layers = [...flat.image.layers.entries()].flatMap(([index, layer]) => {
    const files = byLayer.get(index)
    return files ? [{ layer, files, name: layerName(request, index) }] : []
  })
  yield* filesOfLayers(layers, request)
}

async function* readWhole(contents: AsyncIterable<Content>): AsyncIterable<WholeFile> {
  for await (const { digest, size, content } of contents) {
    if (size > maxFactFile) {
      throw new ProviderError('LIMIT_EXCEEDED', 'Cannot read the facts of a file larger than 128 MiB')
    }
    yield { digest, bytes: await bytesOf(content, size, { from: 0, to: 0 }) }
  }
}

async function* readEdges(contents: AsyncIterable<Content>): AsyncIterable<WholeFile> {
  for await (const { digest, size, content } of contents) {
    if (size > maxEdgedFile) continue
    const isWhole = size <= edges.head + edges.tail
    const hole = isWhole ? { from: 0, to: 0 } : { from: edges.head, to: size - edges.tail }
    yield { digest, bytes: await bytesOf(content, size, hole), hole }
  }
}

/** A buffer of zeros takes no memory where nothing is written. */
async function bytesOf(content: AsyncIterable<Buffer>, size: number, hole: Hole): Promise<Buffer> {
  const bytes = hole.to > hole.from ? Buffer.alloc(size) : Buffer.allocUnsafe(size)
  let at = 0
  for await (const chunk of content) {
    const end = at + chunk.length
    if (at < hole.from || end > hole.to) chunk.copy(bytes, at)
    at = end
  }
  return bytes
}
