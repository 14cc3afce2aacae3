import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, type Platform, runsOn } from '../model/platform.ts'
import { quote } from '../model/quote.ts'
import type { Cache } from './cache.ts'
import { findManifest } from './manifest.ts'
import { platformOf, wrongPlatform } from './platform.ts'
import { parseConfig } from './schema.ts'
import { type Descriptor, maxDocument, type Source } from './source.ts'

const maxImage = 8 * 1024 ** 3
const layerType =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.(?:diff|foreign\.diff)\.tar(?:\.gzip|\.zstd)?)$/

interface Layer extends Descriptor {
  readonly diffId: Digest
}

/** An image for one platform: metadata proven, layers named. */
export interface Image {
  readonly manifest: Digest
  readonly platform: string
  /** For which there are images at that reference. */
  readonly platforms: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** The manifest's. */
  readonly annotations: Readonly<Record<string, string>>
  readonly layers: readonly Layer[]
}

export interface ImageOptions {
  readonly platform: Platform
  readonly cache: Cache
  readonly signal?: AbortSignal
}

/**
 * Follows an index to the platform's manifest and its config. Every document was proven by digest and size before it
 * was parsed, and what the cache has is not asked for again: a pinned image that is in it needs no source.
 */
export async function readImage(source: Source, root: Digest, options: ImageOptions): Promise<Image> {
  const name = `${source.name}@${root}`
  const { digest, manifest, platforms } = await findManifest(source, root, options)
  if (manifest.config.size > maxDocument)
    throw new ProviderError(
      'LIMIT_EXCEEDED',
      `Cannot use ${name}: its config is larger than 4 MiB; push it again with fewer labels`,
    )
  const signal = options.signal ? { signal: options.signal } : {}
  const file = await options.cache.open(source, manifest.config, signal)
  const config = parseConfig(await file.readFile().finally(() => file.close()), name)
  const platform = platformOf(config)
  if (!runsOn(platform, options.platform)) throw wrongPlatform(name, options.platform, formatPlatform(platform))
  const ids = config.rootfs.diff_ids
  if (ids.length !== manifest.layers.length)
    throw new ProviderError(
      'BAD_IMAGE',
      `Cannot use ${name}: it has ${manifest.layers.length} layers, its config lists ${ids.length}; push it again`,
    )
  if (manifest.layers.reduce((sum, layer) => sum + layer.size, 0) > maxImage)
    throw new ProviderError('LIMIT_EXCEEDED', `Cannot use ${name}: it is larger than 8 GiB; build a smaller image`)
  const layers = manifest.layers.map((layer, index) => {
    if (!layerType.test(layer.mediaType))
      throw new ProviderError(
        'BAD_IMAGE',
        `Cannot use ${name}: its layer is of type ${quote(layer.mediaType)}, which is no file system layer; choose an image`,
      )
    return { ...layer, diffId: ids[index] as Digest }
  })
  return {
    manifest: digest,
    platform: formatPlatform(platform),
    platforms: platforms.length > 0 ? platforms : [formatPlatform(platform)],
    labels: config.config?.Labels ?? {},
    annotations: manifest.annotations ?? {},
    layers,
  }
}
