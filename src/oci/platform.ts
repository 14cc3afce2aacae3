import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, type Platform, runsOn } from '../model/platform.ts'
import { printable } from '../model/quote.ts'
import type { Index } from './schema.ts'

/**
 * The manifest of an index for a host: the exact variant first, then the baseline, then the order of the index.
 * Attestations (`unknown/unknown`) are no images.
 *
 * @throws ProviderError WRONG_PLATFORM that lists what there is
 */
export function selectManifest(index: Index, platform: Platform, source: string): Digest {
  const images = index.manifests.flatMap((one) => {
    const { os, architecture, variant } = one.platform ?? { os: 'unknown', architecture: 'unknown' }
    if (os === 'unknown' || one.annotations?.['vnd.docker.reference.type'] !== undefined) return []
    return [{ digest: one.digest, platform: variant ? { os, architecture, variant } : { os, architecture } }]
  })
  const fits = images.filter((image) => runsOn(image.platform, platform))
  const best = fits.find((image) => image.platform.variant === platform.variant) ?? fits[0]
  if (best) return best.digest
  const there = printable(images.map((image) => formatPlatform(image.platform)).join(', '), 300) || 'none'
  throw wrongPlatform(source, platform, there)
}

export function wrongPlatform(source: string, host: Platform, there: string): ProviderError {
  return new ProviderError(
    'WRONG_PLATFORM',
    `Cannot use ${source} on a ${formatPlatform(host)} host: it is for ${there}; choose an image built for ${formatPlatform(host)}`,
  )
}
