import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, type Platform, runsOn } from '../model/platform.ts'
import { quote } from '../model/quote.ts'
import type { Cache } from './cache.ts'
import { selectManifest, wrongPlatform } from './platform.ts'
import { type Manifest, parseConfig, parseIndexOrManifest } from './schema.ts'
import type { Descriptor, RawManifest, Source } from './source.ts'

const maxConfig = 4 * 1024 * 1024
const maxImage = 8 * 1024 ** 3
const maxIndexDepth = 3
const layerType =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.(?:diff|foreign\.diff)\.tar(?:\.gzip|\.zstd)?)$/

interface Layer extends Descriptor {
  readonly diffId: Digest
}

/** An image for one platform: metadata proven, layers named. */
export interface Image {
  readonly manifest: Digest
  readonly platform: string
  readonly labels: Readonly<Record<string, string>>
  readonly layers: readonly Layer[]
}

export interface ImageOptions {
  readonly platform: Platform
  readonly cache: Cache
  readonly signal?: AbortSignal
}

/** Follows an index to the platform's manifest and its config; every document has the digest it was asked by. */
export async function readImage(source: Source, root: Digest, options: ImageOptions): Promise<Image> {
  const name = `${source.name}@${root}`
  const { digest, manifest } = await manifestFor(source, root, options, name)
  if (manifest.config.size > maxConfig)
    throw new ProviderError('LIMIT_EXCEEDED', `Cannot use ${name}: its config is larger than 4 MiB`)
  const signal = options.signal ? { signal: options.signal } : {}
  const config = parseConfig(await readFile(await options.cache.blob(source, manifest.config, signal)), name)
  const platform: Platform = {
    os: config.os,
    architecture: config.architecture,
    ...(config.variant ? { variant: config.variant } : {}),
  }
  if (!runsOn(platform, options.platform)) throw wrongPlatform(name, options.platform, formatPlatform(platform))
  const ids = config.rootfs.diff_ids
  if (ids.length !== manifest.layers.length)
    throw new ProviderError(
      'BAD_IMAGE',
      `Cannot use ${name}: it has ${manifest.layers.length} layers, its config lists ${ids.length}`,
    )
  if (manifest.layers.reduce((sum, layer) => sum + layer.size, 0) > maxImage)
    throw new ProviderError('LIMIT_EXCEEDED', `Cannot use ${name}: it is larger than 8 GiB`)
  const layers = manifest.layers.map((layer, index) => {
    if (!layerType.test(layer.mediaType))
      throw new ProviderError(
        'BAD_IMAGE',
        `Cannot use ${name}: its layer is of type ${quote(layer.mediaType)}, which is no file system layer`,
      )
    return { ...layer, diffId: ids[index] as Digest }
  })
  return { manifest: digest, platform: formatPlatform(platform), labels: config.config?.Labels ?? {}, layers }
}

async function manifestFor(
  source: Source,
  root: Digest,
  options: ImageOptions,
  name: string,
): Promise<{ digest: Digest; manifest: Manifest }> {
  let digest = root
  for (let depth = 0; depth < maxIndexDepth; depth += 1) {
    const parsed = parseIndexOrManifest(await cachedManifest(source, digest, options), name)
    if ('manifest' in parsed) return { digest, manifest: parsed.manifest }
    digest = selectManifest(parsed.index, options.platform, name)
  }
  throw new ProviderError('BAD_IMAGE', `Cannot use ${name}: its indexes are nested too deeply`)
}

async function cachedManifest(source: Source, digest: Digest, options: ImageOptions): Promise<RawManifest> {
  // The cache knows blobs by digest and size; of a manifest named only by digest, the source tells the size first.
  const raw = await source.manifest(digest, options.signal ? { signal: options.signal } : {})
  const once: Source = { ...source, blob: async () => Readable.from([raw.bytes]) }
  const path = await options.cache.blob(once, { ...raw.descriptor, digest })
  return { descriptor: { ...raw.descriptor, digest }, bytes: await readFile(path) }
}
