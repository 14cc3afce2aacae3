import { type Digest, parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, parsePlatform } from '../model/platform.ts'
import { formatName, parseReference, type Reference } from '../model/reference.ts'
import { parseVersion } from '../model/version.ts'
import type { Cache } from '../oci/cache.ts'
import type { Environment } from '../oci/environment.ts'
import { readImage } from '../oci/image.ts'
import { openSource } from '../oci/open.ts'
import type { Source } from '../oci/source.ts'
import type { TagList, tagLists } from '../oci/tag-lists.ts'
import { offersOfList } from '../postgres/extension-list.ts'
import { namesInCatalogs, offersOfCatalogs } from '../postgres/image-catalog.ts'
import { choose, notOffered, type Offer, type Target, type Wanted } from '../postgres/offer.ts'
import { once } from './once.ts'
import type { Repository } from './repository.ts'

/** What a name means for a distribution. */
export interface NamedImage {
  readonly version: string
  /** As a program would write it; its tag may move, so whoever keeps it keeps the digest. */
  readonly reference: string
  readonly digest: Digest
  /** Versions above it that do not fit, with why. */
  readonly newer: readonly string[]
}

export interface Names {
  readonly open: (reference: Reference) => Source
  /** Of a repository's tags; `isNew`: not what another process kept. */
  readonly list: (
    reference: Reference,
    options: { isNew: boolean; signal?: AbortSignal | undefined },
  ) => Promise<TagList>
  readonly cache: Cache
  readonly signal?: AbortSignal | undefined
}

/** @param lists those of the whole run */
export function openNames(
  lists: ReturnType<typeof tagLists>,
  from: { readonly environment: Environment; readonly cache: Cache; readonly signal?: AbortSignal | undefined },
): Names {
  const { environment, cache, signal } = from
  const sources = new Map<string, Source>()
  // What the user's files say of a registry is looked up once for all that is asked of it.
  const open = (reference: Reference) =>
    reference.transport === 'registry'
      ? once(sources, formatName(reference), () => openSource(reference, environment))
      : openSource(reference, environment)
  return {
    open,
    cache,
    signal,
    list: (reference, options) =>
      lists(open(reference), {
        ...options,
        keep: reference.transport === 'registry' && environment.bundle === undefined,
      }),
  }
}

/** An index has what is asked for or not; who looks further than this looks in vain. */
const mostTried = 10

/**
 * Finds the image that a name means for a distribution, and proves that it has one for its platform.
 *
 * @param options.isNew lists tags anew, though another process listed them some minutes ago
 * @throws ProviderError NOT_FOUND, BAD_INPUT
 */
export async function resolveName(
  repository: Repository,
  wanted: Wanted,
  options: { readonly target: Target; readonly names: Names; readonly isNew?: boolean },
): Promise<NamedImage> {
  const { target, names, isNew = false } = options
  const direct = repository.kind === 'template' ? await asWritten(repository, wanted, { target, names }) : undefined
  if (direct) return direct
  let found = await offersOf(repository, wanted, { target, names, isNew })
  let choice = choose(found.offers, wanted, target)
  // What somebody has pushed a minute ago is there, whatever was listed before.
  if (choice.fitting.length === 0 && !found.isNew) {
    found = await offersOf(repository, wanted, { target, names, isNew: true })
    choice = choose(found.offers, wanted, target)
  }
  const { fitting, newer } = choice
  if (fitting.length === 0) throw nothingFits(repository, wanted, { target, offers: found.offers, newer })
  return firstForPlatform(fitting, { target, names, newer })
}

/** A version written in full has a tag of its own, which needs no list. */
async function asWritten(
  { template }: Extract<Repository, { kind: 'template' }>,
  { name, version }: Wanted,
  { target, names }: { readonly target: Target; readonly names: Names },
): Promise<NamedImage | undefined> {
  if (version === undefined || parseVersion(version) === undefined) return undefined
  const reference = template.referenceTo(version, name, target)
  try {
    return { version, reference, digest: await digestOf(reference, names), newer: [] }
  } catch (error) {
    if (error instanceof ProviderError && ['NOT_FOUND', 'BAD_REFERENCE'].includes(error.code)) return undefined
    throw error
  }
}

/** The best of what lies on this machine, by which nobody has to be asked; nothing for a registry's tags. */
export function bestOffer(
  repository: Repository,
  wanted: Wanted,
  target: Target,
): Pick<NamedImage, 'reference' | 'version' | 'newer'> | undefined {
  if (repository.kind === 'template') return undefined
  const { fitting, newer } = choose(localOffers(repository, wanted.name, target), wanted, target)
  const [best] = fitting
  return best && { reference: best.reference, version: best.version.text, newer }
}

function localOffers(repository: Exclude<Repository, { kind: 'template' }>, name: string, target: Target): Offer[] {
  if (repository.kind === 'catalog') return offersOfCatalogs(repository.catalogs, name)
  return offersOfList(repository.list, name, (version) => repository.template.referenceTo(version, name, target))
}

/** What a repository has of a name. */
export async function offersOf(
  repository: Repository,
  { name }: Pick<Wanted, 'name'>,
  { target, names, isNew }: { readonly target: Target; readonly names: Names; readonly isNew: boolean },
): Promise<{ readonly offers: readonly Offer[]; readonly isNew: boolean }> {
  if (repository.kind !== 'template') return { offers: localOffers(repository, name, target), isNew: true }
  const { template } = repository
  const listed = await names
    .list(template.placeOf(name, target), { isNew, signal: names.signal })
    .catch((error: unknown): TagList => {
      // There is no repository of that name: what there is not is told in one way.
      if (error instanceof ProviderError && error.code === 'NOT_FOUND') return { tags: [], isNew: true }
      throw error
    })
  return { offers: template.offersIn(listed.tags, name, target), isNew: listed.isNew }
}

function nothingFits(
  repository: Repository,
  wanted: Wanted,
  found: { readonly target: Target; readonly offers: readonly Offer[]; readonly newer: readonly string[] },
): ProviderError {
  const { where } = repository
  const error = notOffered(found.offers, wanted, { ...found, where })
  if (repository.kind !== 'catalog' || found.offers.length > 0) return error
  const there = namesInCatalogs(repository.catalogs).slice(0, 30).join(', ')
  return new ProviderError(error.code, `${error.message}; its names are ${there}`)
}

async function firstForPlatform(
  fitting: readonly Offer[],
  { target, names, newer }: { readonly target: Target; readonly names: Names; readonly newer: readonly string[] },
): Promise<NamedImage> {
  const platform = parsePlatform(target.platform) ?? { os: 'linux', architecture: target.platform }
  const passed: string[] = []
  for (const [index, { version, reference }] of fitting.entries()) {
    const digest = await digestOf(reference, names)
    const { cache, signal } = names
    try {
      await readImage(names.open(parseReference(reference)), digest, { platform, cache, ...(signal ? { signal } : {}) })
    } catch (error) {
      const isElsewhere = error instanceof ProviderError && error.code === 'WRONG_PLATFORM'
      if (!isElsewhere || index + 1 === Math.min(fitting.length, mostTried)) throw error
      passed.push(`${version.text}: not for ${formatPlatform(platform)}`)
      continue
    }
    return { version: version.text, reference, digest, newer: [...newer, ...passed] }
  }
  throw new RangeError('Cannot choose among no images')
}

/** What a reference pins, or what its tag is now. */
export async function digestOf(reference: string, { open, signal }: Pick<Names, 'open' | 'signal'>): Promise<Digest> {
  const parsed = parseReference(reference)
  if (parsed.digest !== undefined) return parseDigest(parsed.digest)
  return (await open(parsed).resolve(parsed.tag, signal ? { signal } : {})).digest
}
