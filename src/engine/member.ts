import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { emptyFile } from '../model/manifest.ts'
import { addParents, type Entry, objectName, type Tree, treeDigest } from '../model/tree.ts'
import type { FlatImage } from './image.ts'
import { onceFor } from './once.ts'
import type { Record } from './record.ts'

/** A file's bytes, on their way from an image to a host. */
export interface Content {
  readonly digest: Digest
  readonly size: number
  /** To be read before the next file is asked for. */
  readonly content: AsyncIterable<Buffer>
}

/** An image, read and placed: what converge needs of it to make it part of an instance. */
export interface LoadedMember {
  readonly digest: Digest
  /** `name@sha256:…`. */
  readonly image: string
  readonly platform: string
  /** Its files below `root/` (what the next start uses) and `live/` (what a running server sees). */
  readonly tree: Tree
  readonly treeDigest: Digest
  readonly major: number | undefined
  /** What part of their size its contents have in its layers. */
  readonly compression: number
  /** What its builder says of it. */
  readonly labels: { readonly [key: string]: string }
  /** Only a distribution has one. */
  readonly layout: Record['layout'] | undefined
  /** The wanted files, in the image's order; each once. */
  contents: FlatImage['contents']
}

/** A host has the same content once, and links it into its trees; ext4 ends at 65,000 links of one file. */
const mostLinks = 50_000

const placedOnce = onceFor<Tree>()

/**
 * What every member has in common, whatever it brings.
 *
 * @param how says which of its ways to be placed this is; for each, `place` is asked once
 * @throws ProviderError LIMIT_EXCEEDED when it brings the same content more often than a host can have it
 */
export function placeMember(
  flat: FlatImage,
  { how, place }: { readonly how: string; readonly place: () => Map<string, Entry> },
  facts: { readonly digest: Digest; readonly major: number | undefined; readonly layout?: Record['layout'] },
): LoadedMember {
  const { tree, compression } = placedOnce(flat.tree, how, () => ({
    tree: withParents(place(), flat.pinned),
    compression: compressionOf(flat),
  }))
  return {
    digest: facts.digest,
    image: flat.pinned,
    platform: flat.image.platform,
    tree,
    treeDigest: treeDigest(tree),
    major: facts.major,
    compression,
    labels: flat.image.labels,
    layout: facts.layout,
    contents: flat.contents,
  }
}

function withParents(placed: Map<string, Entry>, image: string): Tree {
  for (const path of [...placed.keys()]) addParents(placed, path)
  const links = new Map<string, number>()
  for (const entry of placed.values()) {
    if (entry.kind !== 'file' || entry.digest === emptyFile) continue
    const name = objectName(entry)
    const count = (links.get(name) ?? 0) + 1
    links.set(name, count)
    if (count > mostLinks) throw tooManyLinks(image)
  }
  return placed
}

/** Contents that upper layers hide count as packed only: then they come out as less well packed than they are. */
function compressionOf({ image, tree }: FlatImage): number {
  const packed = image.layers.reduce((sum, { size }) => sum + size, 0)
  const size = [...tree.values()].reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.size : 0), 0)
  return size === 0 ? 1 : Math.min(1, packed / size)
}

function tooManyLinks(image: string): ProviderError {
  return new ProviderError(
    'LIMIT_EXCEEDED',
    `Cannot use ${image}: more than ${mostLinks} of its files have the same content, more than a host's file system can link; build it without most of them`,
  )
}
