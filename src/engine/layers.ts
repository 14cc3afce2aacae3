import { decompress } from '../archive/decompress.ts'
import type { Cache } from '../oci/cache.ts'
import type { Descriptor, Source } from '../oci/source.ts'

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

/** A layer's uncompressed bytes, from the cache. */
export async function openLayer(layer: Descriptor, { source, cache, signal, name }: LayersFrom & { name: string }) {
  const file = await cache.open(source, layer, signal ? { signal } : {})
  return decompress(file.createReadStream({ highWaterMark: chunkSize }), { name })
}
