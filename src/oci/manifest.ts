import { type Digest, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, type Platform } from '../model/platform.ts'
import { quote } from '../model/quote.ts'
import type { Cache } from './cache.ts'
import { type Chosen, imagesOf, platformOf, selectEntry } from './platform.ts'
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

/** A manifest or index, and what the index above it says of it. */
type Named = Pick<Chosen, 'digest'> & Partial<Chosen>

/** Follows an index to the platform's manifest. An index may hold indexes; those without a platform are looked into. */
export async function findManifest(
  source: Source,
  root: Digest,
  options: { readonly platform: Platform; readonly cache: Cache; readonly signal?: AbortSignal },
): Promise<Found> {
  const name = `${source.name}@${root}`
  const signal = options.signal ? { signal: options.signal } : {}
  const read = async ({ digest, size, mediaType }: Named) => {
    const bytes = await options.cache.manifest(source, digest, signal)
    if (size !== undefined && bytes.length !== size)
      throw misnamed(name, digest, `${size} bytes, and it has ${bytes.length}`)
    const parsed = parseIndexOrManifest(bytes, name)
    // What one reader skips as no image, another would install.
    if (mediaType !== undefined && isIndexType(mediaType) !== 'index' in parsed)
      throw misnamed(name, digest, `the type ${quote(mediaType)}, and it has another`)
    return parsed
  }
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
      const nested = await read({ ...entry, digest: entry.digest })
      images.push(...('index' in nested ? await imagesIn(nested.index, depth + 1) : [entry]))
    }
    return images
  }
  const platforms = new Set<string>()
  let named: Named = { digest: root }
  for (let depth = 1; depth <= maxIndexDepth; depth += 1) {
    const parsed = await read(named)
    if ('manifest' in parsed) {
      const { digest, platform } = named
      const listed = platform ? platformOf(platform) : undefined
      return { digest, manifest: parsed.manifest, platforms: [...platforms], listed }
    }
    const images = await imagesIn(parsed.index, depth)
    if (depth === 1)
      for (const { platform } of images) if (platform) platforms.add(formatPlatform(platformOf(platform)))
    named = selectEntry(images, options.platform, name)
  }
  throw tooDeep(name)
}

function misnamed(name: string, digest: Digest, what: string): ProviderError {
  return new ProviderError(
    'BAD_IMAGE',
    `Cannot use ${name}: its index says that ${digest} has ${what}; push it again as one`,
  )
}

function tooDeep(name: string): ProviderError {
  return new ProviderError('BAD_IMAGE', `Cannot use ${name}: its indexes hold too many indexes; push it again as one`)
}
