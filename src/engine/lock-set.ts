import { type Digest, parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { parseReference } from '../model/reference.ts'
import { contribNames } from '../postgres/contrib.ts'
import type { Target, Wanted } from '../postgres/offer.ts'
import { missingRequires, nextMissing } from '../postgres/requires.ts'
import { loadDistribution } from './distribution.ts'
import { loadExtension } from './extension.ts'
import type { ExtensionSet, SetEntry } from './extension-set.ts'
import type { ImageRequest } from './image.ts'
import { findLocked, type Lock, type LockedImage, type LockedName, lockedName } from './lock-file.ts'
import { digestOf, type Names, resolveName } from './names.ts'
import { toPart } from './part.ts'
import { type RepositoryArgument, readRepository } from './repository.ts'

export type Entries = Pick<Lock, 'names' | 'images'>

export interface LockOptions {
  readonly names: Names
  /** What is locked already, and stays as it is; empty to look for all of it anew. */
  readonly former: Lock
  /** Hears of each name before it is looked for. */
  readonly tell: (line: string) => void
}

/** What a program with this set means on one platform: its distribution, its extensions, and what these require. */
export async function lockSet(
  set: ExtensionSet & { readonly image: string },
  platform: string,
  options: LockOptions,
): Promise<Entries> {
  const { names, tell } = options
  tell(`${set.image} ${platform}`)
  const image = await lockImage(set.image, platform, options)
  const { facts, image: read } = await loadDistribution(requestOf(image, names), '/var/lib/pgoci')
  const { major, version: postgresVersion, os, contrib } = facts
  const target: Target = { major, postgresVersion, os, platform }
  const found: { names: LockedName[]; images: LockedImage[] } = { names: [], images: [image] }
  const provided = []
  const asked = new Set<string>()
  const isThere = ({ name, image, repository }: SetEntry) =>
    contribNames.has(name) && name in contrib && !image && !repository
  let wave: readonly SetEntry[] = set.extensions.filter((entry) => !isThere(entry))
  while (wave.length > 0) {
    for (const entry of wave) {
      tell(`${entry.name} ${entry.version ?? ''}`.trimEnd())
      const repository = entry.repository ?? set.repository
      const named = entry.image ? undefined : await lockName(entry, { ...options, target, repository })
      const one = named ?? (await lockImage(entry.image ?? '', platform, options))
      if (named === undefined) found.images.push(one)
      else if (named.repository !== '') found.names.push(named)
      const request = { ...requestOf(one, names), part: toPart(entry) }
      provided.push((await loadExtension(request, read.server?.layers)).facts.provides)
    }
    for (const { name } of wave) asked.add(name)
    wave = nextMissing(missingRequires(provided, contrib), asked).map(({ name }) => ({ name }))
  }
  return { names: found.names, images: found.images.filter(isByTag) }
}

/** Those that name a digest are locked by themselves. */
function isByTag({ reference }: LockedImage): boolean {
  return parseReference(reference).digest === undefined
}

async function lockImage(reference: string, platform: string, { names, former }: LockOptions): Promise<LockedImage> {
  const known = former.images.find((one) => one.reference === reference && one.platform === platform)
  if (known) return known
  return { reference, platform, digest: await digestOf(reference, names) }
}

/** What a name is for a distribution; its repository is empty when that is a catalog, which is a lock already. */
export async function lockName(
  { name, version, prerelease }: Wanted,
  options: LockOptions & { readonly target: Target; readonly repository: RepositoryArgument | undefined },
): Promise<LockedName> {
  const { names, former, target } = options
  if (options.repository === undefined)
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot lock "${name}": there is no repository to find it in; set repository, or its image`,
    )
  const wanted: Wanted = { name, version, prerelease }
  const repository = await readRepository(options.repository)
  if (repository.kind !== 'catalog' && repository.template.isByMinor)
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot lock "${name}": its repository has other images for each minor version of Postgres ({minor}), and a lock is for a major one`,
    )
  const template = repository.kind === 'catalog' ? '' : repository.template.text
  const known = stillGood(former, wanted, { repository: template, target })
  const found = known ?? (await resolveName(repository, wanted, { target, names, isNew: true }))
  return lockedName(wanted, { repository: template, target, found })
}

function stillGood(
  former: Lock,
  wanted: Wanted,
  place: { repository: string; target: Target },
): LockedName | undefined {
  try {
    return findLocked(former, wanted, { ...place, path: '' })
  } catch {
    return undefined
  }
}

function requestOf({ reference, digest, platform }: LockedImage, { open, cache, signal }: Names): ImageRequest {
  const parsed = parseReference(reference)
  const pinned: Digest = parseDigest(digest)
  return { source: open(parsed), reference: parsed, digest: pinned, platform, cache, ...(signal ? { signal } : {}) }
}
