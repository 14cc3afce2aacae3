import { access, readFile } from 'node:fs/promises'
import { dirname, join, resolve as resolvePath } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { findLocked, type Lock, lockFileName, parseLock } from '../engine/lock-file.ts'
import { bestOffer, resolveName } from '../engine/names.ts'
import { type Repository, readRepository } from '../engine/repository.ts'
import { type Digest, parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import type { Target, Wanted } from '../postgres/offer.ts'
import { noSystem } from '../postgres/os-release.ts'
import type { ExtensionInputs } from './inputs.ts'
import type { Inputs, Values } from './kind.ts'
import { names } from './session.ts'

/** The image that a resource asks for, before it is read. */
interface Meant {
  readonly reference: string
  /** Where that is known without asking the reference's registry. */
  readonly digest?: Digest
  /** Inputs that check adds for who asks by name. */
  readonly told: Values
}

/**
 * What image a program means. One that it names by its reference is that one; one that it asks for by name is found
 * in its lock file, or in its repository: once, and then again only for another request, another distribution, or a
 * new `repin`. What lies on this machine (catalogs, lists, the lock) is the program's own text, and always counts.
 */
export async function meantImage(olds: Values, inputs: Inputs, platform: string): Promise<Meant> {
  const { requested, repository: argument, ...rest } = inputs as ExtensionInputs
  const lock = await readLock()
  if (requested === undefined || argument === undefined) return byReference(String(rest.image), platform, lock)
  const target = targetOf(rest, platform)
  const repository = await readRepository(argument)
  const locked = fromLock(repository, requested, { target, lock })
  if (locked) return locked
  const isNew = 'requested' in olds && olds['repin'] !== rest.repin
  const best = bestOffer(repository, requested, target)
  const isSame = best
    ? best.reference === olds['reference'] && olds['platform'] === platform
    : isSameRequest(olds, { requested, repository: argument, platform, ...rest }, repository)
  if (isSame && !isNew)
    return {
      reference: String(olds['reference']),
      told: { version: best?.version ?? olds['version'], newer: best?.newer ?? olds['newer'] },
    }
  const { reference, digest, version, newer } = await resolveName(repository, requested, {
    target,
    names: names(),
    isNew,
  })
  return { reference, digest, told: { version, newer } }
}

function targetOf(
  { postgresMajor, postgresVersion, os }: Omit<ExtensionInputs, 'requested'>,
  platform: string,
): Target {
  if (postgresMajor !== undefined)
    return {
      major: postgresMajor,
      postgresVersion: postgresVersion ?? `${postgresMajor}`,
      os: os ?? noSystem,
      platform,
    }
  throw new ProviderError(
    'BAD_INPUT',
    'Cannot look for an extension by its name: its distribution tells no version of Postgres',
  )
}

/** What a request and its answer rest on. */
function isSameRequest(olds: Values, news: Values, repository: Repository): boolean {
  const isByMinor = repository.kind === 'template' && repository.template.isByMinor
  const keys = ['requested', 'repository', 'platform', 'postgresMajor', 'os', ...(isByMinor ? ['postgresVersion'] : [])]
  return typeof olds['reference'] === 'string' && keys.every((key) => isDeepStrictEqual(olds[key], news[key]))
}

interface FoundLock {
  readonly lock: Lock
  readonly path: string
}

function byReference(reference: string, platform: string, found: FoundLock | undefined): Meant {
  const digest = found?.lock.images.find((one) => one.reference === reference && one.platform === platform)?.digest
  return { reference, ...(digest ? { digest: parseDigest(digest) } : {}), told: {} }
}

function fromLock(
  repository: Repository,
  wanted: Wanted,
  { target, lock: found }: { readonly target: Target; readonly lock: FoundLock | undefined },
): Meant | undefined {
  // A catalog is one already.
  if (found === undefined || repository.kind === 'catalog') return undefined
  const { lock, path } = found
  const entry = findLocked(lock, wanted, { repository: repository.template.text, target, path })
  if (entry === undefined) return undefined
  const { reference, digest, version } = entry
  return { reference, digest: parseDigest(digest), told: { version, newer: [] } }
}

let reading: Promise<FoundLock | undefined> | undefined

/** That of the program's folder, or of a folder above it in the same project; a run has one. */
function readLock(): Promise<FoundLock | undefined> {
  reading ??= findLockFile(process.cwd())
  return reading
}

async function findLockFile(folder: string): Promise<FoundLock | undefined> {
  const path = join(folder, lockFileName)
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new ProviderError('BAD_INPUT', `Cannot read ${path}: ${error.message}`)
  })
  if (content !== undefined) return { lock: parseLock(content, lockFileName), path: lockFileName }
  const isRoot = await access(join(folder, 'Pulumi.yaml')).then(
    () => true,
    () => resolvePath(folder) === dirname(resolvePath(folder)),
  )
  return isRoot ? undefined : findLockFile(dirname(folder))
}
