import { type ImageRequest, readImageOf } from './image.ts'
import { layersOfBase } from './part.ts'

/**
 * What an image was built on, among others: the diff IDs of the layers that they have in common, which are all of the
 * other's. Only metadata is read. Empty where it was built on none of them.
 */
export async function baseOf(request: ImageRequest, others: readonly ImageRequest[]): Promise<string[]> {
  const { layers } = await readImageOf(request)
  const bases = await Promise.all(
    others.map(async (other) => (await readImageOf(other)).layers.flatMap(({ diffId }) => diffId ?? [])),
  )
  const deepest = Math.max(0, ...bases.map((base) => layersOfBase(layers, base)))
  return layers.slice(0, deepest).flatMap(({ diffId }) => diffId ?? [])
}
