import { z } from 'zod'
import type { Budget } from '../layer/budget.ts'
import type { LayerEntry, Special } from '../layer/entry.ts'
import type { Cache } from '../oci/cache.ts'
import type { Image } from '../oci/image.ts'
import { digestSchema } from '../oci/schema.ts'

type Layer = Image['layers'][number]

const path = z.string()
const size = z.number().int().nonnegative()
const entrySchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('file'), path, digest: digestSchema, size, executable: z.boolean() }),
  z.object({ kind: z.literal('directory'), path }),
  z.object({ kind: z.literal('link'), path, target: path }),
  z.object({ kind: z.literal('hardlink'), path, target: path }),
  z.object({ kind: z.literal('whiteout'), path }),
  z.object({ kind: z.literal('opaque'), path }),
])
const entriesSchema: z.ZodType<LayerEntry[]> = z.array(entrySchema)

/**
 * The entries of layers that were read and proven before, so that an image which shares its lower layers with others
 * costs what its own ones cost.
 */
export function layerEntries(cache: Cache, special: Special) {
  const kind = 'layer-entries-v1'
  // The config says what the unpacked layer's digest is, and reading has proven that.
  const keyOf = ({ digest, diffId }: Layer) => `${digest} ${diffId ?? 'artifact'} ${special}`
  return {
    /** Undefined for a layer that is to be read; counts the others' entries, as reading does. */
    find: async (layer: Layer, { budget, name }: { readonly budget: Budget; readonly name: string }) => {
      const entries = await cache.readJson(kind, keyOf(layer), entriesSchema)
      for (const entry of entries ?? []) budget.take({ target: '', size: 0, ...entry }, name)
      return entries
    },
    keep: (layer: Layer, entries: readonly LayerEntry[]) => cache.writeJson(kind, keyOf(layer), entries),
  }
}
