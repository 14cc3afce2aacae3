import { type Digest, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, type Platform } from '../model/platform.ts'
import type { Cache } from './cache.ts'
import { imagesOf, platformOf, selectEntry } from './platform.ts'
import { type Index, isIndexType, type Manifest, parseIndexOrManifest } from './schema.ts'
import type { Source } from './source.ts'

const maxIndexDepth = 3
const maxIndexes = 16

interface Found {
  readonly digest: Digest
  readonly manifest: Manifest
  /** Of all images in the index; none when there is no index. */
  readonly platforms: readonly string[]
  /** What the index says that it is for. */
  readonly listed: Platform | undefined
}

/** Follows an index to the platform's manifest. An index may hold indexes; those without a platform are looked into. */
export async function findManifest(
  source: Source,
  root: Digest,
  options: { readonly platform: Platform; readonly cache: Cache; readonly signal?: AbortSignal },
): Promise<Found> {
  const name = `${source.name}@${root}`
  const signal = options.signal ? { signal: options.signal } : {}
  const read = async (digest: Digest) =>
    parseIndexOrManifest(await options.cache.manifest(source, digest, signal), name)
  let documents = 0
  const imagesIn = async (index: Index, depth: number): Promise<ReturnType<typeof imagesOf>> => {
    const images: ReturnType<typeof imagesOf> = []
    for (const entry of imagesOf(index)) {
      if (!isIndexType(entry.mediaType) || entry.platform || !isDigest(entry.digest)) {
        images.push(entry)
        continue
      }
      documents += 1
      if (depth >= maxIndexDepth || documents > maxIndexes) throw tooDeep(name)
      const nested = await read(entry.digest)
      images.push(...('index' in nested ? await imagesIn(nested.index, depth + 1) : [entry]))
    }
    return images
  }
  const platforms = new Set<string>()
  let digest = root
  let listed: Platform | undefined
  for (let depth = 1; depth <= maxIndexDepth; depth += 1) {
    const parsed = await read(digest)
    if ('manifest' in parsed) return { digest, manifest: parsed.manifest, platforms: [...platforms], listed }
    const images = await imagesIn(parsed.index, depth)
    if (depth === 1)
      for (const { platform } of images) if (platform) platforms.add(formatPlatform(platformOf(platform)))
    digest = selectEntry(images, options.platform, name)
    const { platform } = images.find((one) => one.digest === digest && one.platform) ?? {}
    listed = platform ? platformOf(platform) : undefined
  }
  throw tooDeep(name)
}

function tooDeep(name: string): ProviderError {
  return new ProviderError('BAD_IMAGE', `Cannot use ${name}: its indexes hold too many indexes; push it again as one`)
}
