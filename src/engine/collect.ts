import { type Digest, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { parsePlatform } from '../model/platform.ts'
import type { Reference } from '../model/reference.ts'
import { bundleName } from '../oci/bundle.ts'
import { readImage } from '../oci/image.ts'
import { isIndexType, isManifestType, parseIndexOrManifest } from '../oci/schema.ts'
import type { Descriptor, Source } from '../oci/source.ts'
import { collectAbout } from './about.ts'
import { addPiece, type Closure, type CollectOptions, list } from './closure.ts'

/** An image that somebody will need, with what it is called. */
export interface Wish {
  readonly source: Source
  readonly reference: Reference
  readonly digest: Digest
  /** As in `linux/amd64`; `undefined` means all that its index has. */
  readonly platforms: readonly string[] | undefined
}

const maxDepth = 3

/**
 * Adds all that an image needs: its index as it is, the manifests of the platforms, their configs and layers, the
 * attestations that BuildKit puts beside them, and what refers to any of these: signatures, SBOMs.
 */
export async function collect(closure: Closure, wish: Wish, options: CollectOptions): Promise<void> {
  const { source, digest, platforms } = wish
  const { cache, signal } = options
  const name = `${source.name}@${digest}`
  const by = signal ? { signal } : {}
  const chosen = new Set<string>()
  for (const text of platforms ?? []) {
    const platform = parsePlatform(text)
    if (platform) chosen.add((await readImage(source, digest, { platform, cache, ...by })).manifest)
  }
  const about = { source, reference: wish.reference, closure, ...options }

  const walk = async (one: Digest, depth: number): Promise<Descriptor> => {
    const bytes = await cache.manifest(source, one, by)
    const parsed = parseIndexOrManifest(bytes, name)
    const found = { mediaType: parsed.mediaType, digest: one, size: bytes.length }
    addPiece(closure, { ...found, isDocument: true, source })
    if ('manifest' in parsed)
      for (const blob of [parsed.manifest.config, ...parsed.manifest.layers])
        addPiece(closure, { ...blob, isDocument: false, source })
    else
      for (const { mediaType, digest: inner, annotations } of parsed.index.manifests) {
        const isWanted =
          isIndexType(mediaType) ||
          (isManifestType(mediaType) && (platforms === undefined || chosen.has(inner) || isAbout(chosen, annotations)))
        if (!isWanted || !isDigest(inner)) continue
        if (depth >= maxDepth)
          throw new ProviderError(
            'BAD_IMAGE',
            `Cannot bundle ${name}: its indexes hold too many indexes; push it again as one`,
          )
        await walk(inner, depth + 1)
      }
    await collectAbout(one, about)
    return found
  }
  list(closure, { ...(await walk(digest, 1)), name: bundleName(wish.reference, digest) })
}

/** BuildKit's attestations are images of an unknown platform that name the one they are about. */
function isAbout(
  chosen: ReadonlySet<string>,
  annotations: Readonly<Record<string, string>> | null | undefined,
): boolean {
  return chosen.has(annotations?.['vnd.docker.reference.digest'] ?? '')
}
