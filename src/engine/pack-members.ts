import { shortDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import type { Tree } from '../model/tree.ts'
import type { LoadedMember } from './member.ts'
import { bytesOf, namesByDigest, type StoreObject, takeOwn } from './objects.ts'
import { type Compression, type Pack, type Packing, packObjects } from './pack.ts'
import type { Member } from './record.ts'
import type { Shipment } from './send.ts'

/**
 * What a host lacks, a pack for each member that brings some of it; only of these the images are read.
 *
 * @throws ProviderError BAD_IMAGE for what none of them brings
 */
export async function packMembers(
  members: readonly Member[],
  lacking: Iterable<StoreObject>,
  options: {
    readonly treeOf: (member: Member) => Tree
    readonly load: (member: Member) => Promise<LoadedMember>
    readonly compression: Compression
    readonly packing: Packing
    readonly signal?: AbortSignal
  },
): Promise<Pick<Shipment, 'packs' | 'bytes'>> {
  const { treeOf, load, packing, compression } = options
  const signal = options.signal ? { signal: options.signal } : {}
  const objects = namesByDigest(lacking)
  const packs: Pack[] = []
  let bytes = 0
  for (const member of members) {
    const own = takeOwn(objects, treeOf(member))
    if (own.size === 0) continue
    const brings = await load(member)
    bytes += bytesOf(own, brings.tree)
    const contents = () => brings.contents(new Set(own.keys()), signal)
    packs.push(packObjects(packing, own, { compression, contents }))
  }
  const [first] = objects.keys()
  if (first !== undefined)
    throw new ProviderError('BAD_IMAGE', `Cannot find the content ${shortDigest(first)} in any declared image`)
  return { packs, bytes }
}
