import { type Digest, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, type Platform, preferred, runsOn } from '../model/platform.ts'
import { printable, quote } from '../model/quote.ts'
import { type Index, isIndexType, isManifestType } from './schema.ts'

type IndexEntry = Index['manifests'][number]

export type Chosen = IndexEntry & { readonly digest: Digest }

/** Entries of other kinds than images are passed over (image-index.md), and so are attestations. */
export function imagesOf(index: Index): IndexEntry[] {
  return index.manifests.filter(
    ({ mediaType, platform, annotations }) =>
      (isIndexType(mediaType) || isManifestType(mediaType)) &&
      platform?.os !== 'unknown' &&
      annotations?.['vnd.docker.reference.type'] === undefined,
  )
}

/**
 * The entry for a host: what needs most of what the host has, then the order of the index. One that names no
 * platform is taken when it is the only one; its config is asked later.
 *
 * @throws ProviderError WRONG_PLATFORM that lists what there is
 */
export function selectEntry(images: readonly IndexEntry[], host: Platform, source: string): Chosen {
  const known = images.flatMap((image) => (image.platform ? [{ image, platform: platformOf(image.platform) }] : []))
  const fits = known.filter((image) => runsOn(image.platform, host))
  const best = preferred(fits)?.image ?? (known.length === 0 && images.length === 1 ? images[0] : undefined)
  if (best === undefined) {
    const there = known.map(({ platform }) => formatPlatform(platform)).join(', ')
    throw wrongPlatform(source, host, there || 'no platform at all')
  }
  const { digest } = best
  if (isDigest(digest)) return { ...best, digest }
  throw new ProviderError(
    'BAD_IMAGE',
    `Cannot use ${source}: its digest ${quote(digest)} is no sha256, and others are not supported; push it again`,
  )
}

/** Without a variant, unless there is one: documents may say null, or nothing. */
export function platformOf({ os, architecture, variant }: NonNullable<IndexEntry['platform']>): Platform {
  return variant ? { os, architecture, variant } : { os, architecture }
}

export function wrongPlatform(source: string, host: Platform, there: string): ProviderError {
  return new ProviderError(
    'WRONG_PLATFORM',
    `Cannot use ${source} on a ${formatPlatform(host)} host: it is for ${printable(there, 300)}; choose an image built for ${formatPlatform(host)}`,
  )
}
