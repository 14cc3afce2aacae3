import { decompress } from '../archive/decompress.ts'
import type { Cache } from '../oci/cache.ts'
import type { Descriptor, Source } from '../oci/source.ts'

// Larger chunks are fewer, and each is garbage that V8 is late to collect.
const chunkSize = 256 * 1024

interface LayersFrom {
  readonly source: Source
  readonly cache: Cache
  readonly signal?: AbortSignal
}

/** Layers of one image on their way into the cache; the cache says how many at once. */
export interface Arriving {
  /** Resolves when this one is there and proven. */
  layer(descriptor: Descriptor): Promise<unknown>
  /** Resolves when all of them are. */
  all(): Promise<unknown>
  /** Gives up what has not arrived. To be called in the end, whatever happened. */
  stop(): Promise<void>
}

/** Begins to fetch layers; what the first of them fails with, the others end with too. */
export function fetchLayers(layers: readonly Descriptor[], { source, cache, signal }: LayersFrom): Arriving {
  const stop = new AbortController()
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
  const arriving = new Map(
    layers.map((layer) => {
      const fetched = cache.blob(source, layer, { signal: either })
      fetched.catch((error: unknown) => stop.abort(error))
      return [layer.digest, fetched]
    }),
  )
  return {
    layer: async ({ digest }) => arriving.get(digest),
    all: () => Promise.all(arriving.values()),
    stop: async () => {
      stop.abort()
      await Promise.allSettled(arriving.values())
    },
  }
}

/** A layer's uncompressed bytes, from the cache. */
export async function openLayer(layer: Descriptor, { source, cache, signal, name }: LayersFrom & { name: string }) {
  const file = await cache.open(source, layer, signal ? { signal } : {})
  return decompress(file.createReadStream({ highWaterMark: chunkSize }), { name })
}
