import { Readable } from 'node:stream'
import { decompress } from '../archive/decompress.ts'
import { fileBytes } from '../archive/file-bytes.ts'
import { layerContents } from '../layer/contents.ts'
import type { Digest } from '../model/digest.ts'
import type { Cache } from '../oci/cache.ts'
import type { Descriptor, Source } from '../oci/source.ts'
import type { Content } from './member.ts'

// Larger chunks are fewer, and each is garbage that V8 is late to collect.
const chunkSize = 256 * 1024

interface ArrivingOptions {
  readonly cache: Cache
  readonly signal?: AbortSignal
}

interface LayersFrom extends ArrivingOptions {
  readonly source: Source
}

/** Blobs on their way into the cache, which says how many at once. */
export interface Arriving {
  /** Resolves when this one is there and proven. */
  blob(descriptor: Descriptor): Promise<unknown>
  /** Resolves when all of them are; when one fails, after the others have stopped. */
  all(): Promise<unknown>
  /** Gives up what has not arrived. To be called in the end, whatever happened. */
  stop(): Promise<void>
}

/** Begins to fetch blobs; what the first of them fails with, the others end with too. */
export function fetchBlobs(
  blobs: readonly (Descriptor & { readonly source: Source })[],
  { cache, signal }: ArrivingOptions,
): Arriving {
  const stop = new AbortController()
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
  const arriving = new Map(
    blobs.map((blob) => {
      const fetched = cache.blob(blob.source, blob, { signal: either })
      fetched.catch((error: unknown) => stop.abort(error))
      return [blob.digest, fetched]
    }),
  )
  const giveUp = async () => {
    stop.abort()
    await Promise.allSettled(arriving.values())
  }
  return {
    blob: async ({ digest }) => arriving.get(digest),
    all: () => Promise.all(arriving.values()).finally(giveUp),
    stop: giveUp,
  }
}

/** Those of one image. */
export function fetchLayers(layers: readonly Descriptor[], { source, ...options }: LayersFrom): Arriving {
  return fetchBlobs(
    layers.map((layer) => ({ ...layer, source })),
    options,
  )
}

interface NamedLayer extends LayersFrom {
  /** For messages. */
  readonly name: string
}

/** Unpacking takes longer than all else that is done with a layer, so its bytes are kept. */
const kind = 'unpacked-v1'

/** Lets `read` have a layer's uncompressed bytes; when it resolves, they are kept for {@link filesOfLayers}. */
export async function readUnpacked<T>(
  layer: Descriptor,
  from: NamedLayer,
  read: (tar: Readable) => Promise<T>,
): Promise<T> {
  const tar = await decompressed(layer, from)
  const kept = await from.cache.keepFile(kind, layer.digest)
  let isWhole = false
  try {
    const chunks = async function* () {
      for await (const chunk of tar as AsyncIterable<Buffer>) {
        await kept.add(chunk)
        yield chunk
      }
    }
    const result = await read(Readable.from(chunks(), { objectMode: false, highWaterMark: chunkSize }))
    isWhole = true
    return result
  } finally {
    tar.destroy()
    await kept.end(isWhole)
  }
}

/** Files of one layer that was read before. */
interface WantedFiles {
  readonly layer: Descriptor
  /** For messages. */
  readonly name: string
  /** Path in the layer → digest of its content. */
  readonly files: ReadonlyMap<string, Digest>
}

/**
 * Files of layers, each proven on its way. From a layer that was kept unpacked only they are read; the others are fetched
 * again, and nothing goes on before all of these are there and proven.
 */
export async function* filesOfLayers(wanted: readonly WantedFiles[], from: LayersFrom): AsyncIterable<Content> {
  const { cache } = from
  const kept = await Promise.all(wanted.map(({ layer }) => cache.openFile(kind, layer.digest)))
  try {
    const lacking = wanted.filter((_, index) => kept[index] === undefined)
    await fetchLayers(
      lacking.map(({ layer }) => layer),
      from,
    ).all()
    for (const [index, { layer, name, files }] of wanted.entries()) {
      const file = kept[index]
      if (file === undefined) yield* layerContents(await decompressed(layer, { ...from, name }), files, { name })
      else {
        const tar = fileBytes(file, (await file.stat()).size, { chunk: chunkSize })
        // What is no longer what was proven will be unpacked again.
        const drop = () => cache.dropFile(kind, layer.digest)
        for await (const found of onError(layerContents(tar, files, { name }), drop))
          yield { ...found, content: onError(found.content, drop) }
      }
    }
  } finally {
    await Promise.all(kept.map((file) => file?.close()))
  }
}

async function* onError<T>(values: AsyncIterable<T>, act: () => Promise<void>): AsyncIterable<T> {
  try {
    yield* values
  } catch (error) {
    await act()
    throw error
  }
}

async function decompressed(layer: Descriptor, { source, cache, signal, name }: NamedLayer): Promise<Readable> {
  const file = await cache.open(source, layer, signal ? { signal } : {})
  return decompress(file.createReadStream({ highWaterMark: chunkSize }), { name })
}
