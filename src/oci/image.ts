import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, type Platform, runsOn } from '../model/platform.ts'
import { quote } from '../model/quote.ts'
import type { Cache } from './cache.ts'
import { findManifest } from './manifest.ts'
import { platformOf, wrongPlatform } from './platform.ts'
import { isConfigType, type Manifest, parseArtifactConfig, parseConfig } from './schema.ts'
import { type Descriptor, maxDocument, type Source } from './source.ts'

const maxImage = 8 * 1024 ** 3
const layerType =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.(?:diff|foreign\.diff)\.tar(?:\.gzip|\.zstd)?)$/

interface Layer extends Descriptor {
  /** Of the unpacked layer. Artifacts have none; the layer's own digest proves its bytes as well. */
  readonly diffId?: Digest
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
  const { digest, manifest, platforms, listed } = await findManifest(source, root, options)
  if (manifest.config.size > maxDocument)
    throw new ProviderError(
      'LIMIT_EXCEEDED',
      `Cannot use ${name}: its config is larger than 4 MiB; push it again with fewer labels`,
    )
  if (manifest.layers.reduce((sum, layer) => sum + layer.size, 0) > maxImage)
    throw new ProviderError('LIMIT_EXCEEDED', `Cannot use ${name}: it is larger than 8 GiB; build a smaller image`)
  for (const { mediaType } of manifest.layers)
    if (!layerType.test(mediaType))
      throw new ProviderError(
        'BAD_IMAGE',
        `Cannot use ${name}: its layer is of type ${quote(mediaType)}, which is no file system layer; choose an image`,
      )
  const config = await configOf(source, manifest, options, name)
  const platform = config ? platformOf(config) : listed
  if (platform === undefined)
    throw new ProviderError(
      'WRONG_PLATFORM',
      `Cannot use ${name}: it is an artifact that names no platform; push it with one, as in oras push --artifact-platform ${formatPlatform(options.platform)}`,
    )
  if (!runsOn(platform, options.platform)) throw wrongPlatform(name, options.platform, formatPlatform(platform))
  const ids = config?.rootfs?.diff_ids
  if (ids && ids.length !== manifest.layers.length)
    throw new ProviderError(
      'BAD_IMAGE',
      `Cannot use ${name}: it has ${manifest.layers.length} layers, its config lists ${ids.length}; push it again`,
    )
  return {
    manifest: digest,
    platform: formatPlatform(platform),
    platforms: platforms.length > 0 ? platforms : [formatPlatform(platform)],
    labels: config?.config?.Labels ?? {},
    annotations: manifest.annotations ?? {},
    layers: manifest.layers.map((layer, index) => ({ ...layer, ...(ids?.[index] ? { diffId: ids[index] } : {}) })),
  }
}

/**
 * An artifact (image-spec, manifest.md, "Guidelines for Artifact Usage") has no config, or one with a platform only.
 * Its layers are as good as an image's; what it is built for is then told by the index that lists it, or by nobody.
 */
async function configOf(source: Source, { artifactType, config }: Manifest, options: ImageOptions, name: string) {
  if (!isConfigType(config.mediaType)) return undefined
  const file = await options.cache.open(source, config, options.signal ? { signal: options.signal } : {})
  const bytes = await file.readFile().finally(() => file.close())
  return artifactType ? parseArtifactConfig(bytes, name) : parseConfig(bytes, name)
}
