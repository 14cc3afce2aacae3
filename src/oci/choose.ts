import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { parseReference } from '../model/reference.ts'

/** An image of a layout or an archive, and what it is called there. */
export interface NamedImage {
  readonly digest: Digest
  readonly names: readonly string[]
}

/** Cosign's tags, and the lists of registries without a referrers API: nothing that anybody installs. */
const aside = /(?:^|:)sha256-[0-9a-f]{64}(?:\.|$)/

/**
 * The image that a tag means: the one of that name; else the one whose name is the same to Docker (`postgres:17` and
 * `docker.io/library/postgres:17`); else the one whose name ends in that tag. Without a tag, the only one.
 *
 * @param where for messages
 * @throws ProviderError NOT_FOUND that lists the names
 */
export function chooseImage(images: readonly NamedImage[], tag: string | undefined, where: string): Digest {
  if (images.length === 0)
    throw new ProviderError('NOT_FOUND', `Cannot find an image in ${where}: it lists none; copy the image again`)
  const matching = tag === undefined ? withoutTag(images) : matchesOf(images, tag)
  const [only, ...more] = new Set(matching.map(({ digest }) => digest))
  if (only !== undefined && more.length === 0) return only
  const names = new Set(images.flatMap((image) => image.names).filter((name) => !aside.test(name)))
  const there = printable([...names].join(', '), 300) || 'no tags'
  if (tag !== undefined && only === undefined)
    throw new ProviderError(
      'NOT_FOUND',
      `Cannot find the tag ${quote(tag)} in ${where}: it has ${there}; use one of them`,
    )
  throw new ProviderError(
    'NOT_FOUND',
    `Cannot choose an image in ${where}: ${more.length + (only ? 1 : 0)} fit, and its tags are ${there}; name one tag, or one digest as in ${where}@sha256:…`,
  )
}

/** Where there are names, what has none belongs to something that has one: a signature, an SBOM. */
function withoutTag(images: readonly NamedImage[]): readonly NamedImage[] {
  const named = images.filter(({ names }) => names.some((name) => !aside.test(name)))
  return named.length > 0 ? named : images.filter(({ names }) => names.length === 0)
}

function matchesOf(images: readonly NamedImage[], tag: string): readonly NamedImage[] {
  const full = dockerName(tag)
  const same: ((name: string) => boolean)[] = [
    (name) => name === tag,
    (name) => full !== undefined && dockerName(name) === full,
    (name) => !/[/:]/.test(tag) && name.endsWith(`:${tag}`),
  ]
  for (const isMeant of same) {
    const found = images.filter(({ names }) => names.some(isMeant))
    if (found.length > 0) return found
  }
  return []
}

/** `postgres` → `docker.io/library/postgres:latest`. */
function dockerName(text: string): string | undefined {
  try {
    const reference = parseReference(text)
    if (reference.transport !== 'registry' || reference.digest !== undefined) return undefined
    return `${reference.registry}/${reference.repository}:${reference.tag ?? 'latest'}`
  } catch {
    return undefined
  }
}
