import { readFile } from 'node:fs/promises'
import { readSet, type SetEntry } from '../engine/extension-set.ts'
import { type Lock, parseLock } from '../engine/lock-file.ts'
import { type Entries, type LockOptions, lockName, lockSet } from '../engine/lock-set.ts'
import { type Names, openNames } from '../engine/names.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import type { RegistrySettings } from '../oci/settings.ts'
import { tagLists } from '../oci/tag-lists.ts'
import type { Target } from '../postgres/offer.ts'
import { platformHere } from './platform.ts'
import { entriesOfState, exportStack, isState, registriesOfStack } from './stack.ts'
import { readingOf, type Terminal } from './verb.ts'

export interface EntryOptions {
  readonly repository?: string
  readonly major?: number
  readonly os: string
  readonly platform?: readonly string[]
}

interface Finding {
  readonly terminal: Terminal
  readonly lock: LockOptions
}

/** What one argument of `pgoci lock` asks for. */
export async function entriesFor(text: string, options: EntryOptions, { terminal, lock }: Finding): Promise<Entries> {
  const { repository, major, os } = options
  const platforms = options.platform ?? [platformHere()]
  if (repository !== undefined) {
    if (major === undefined)
      throw new ProviderError(
        'BAD_INPUT',
        `Cannot lock ${quote(text)}: nobody says for which Postgres; give --major and --os`,
      )
    const [, name = text, version] = /^([^@]+)@(.+)$/.exec(text) ?? []
    const wanted: SetEntry = { name, ...(version ? { version } : {}) }
    const names = []
    for (const platform of platforms) {
      const target: Target = { major, postgresVersion: `${major}`, os, platform }
      names.push(await lockName(wanted, { ...lock, target, repository }))
    }
    return { names, images: [] }
  }
  const state = await stateEntries(text, terminal)
  if (state) return state
  const set = readSet(await read(text), quote(text))
  const { image } = set
  if (image === undefined)
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot lock ${quote(text)}: it has no image of a distribution, which extensions must fit`,
    )
  const found: Entries = { names: [], images: [] }
  for (const platform of options.platform ?? set.platforms ?? platforms) {
    const one = await lockSet({ ...set, image }, platform, lock)
    found.names.push(...one.names)
    found.images.push(...one.images)
  }
  return found
}

/** What a stack pins, by its name or from what was exported; nothing for another file. */
export async function stateEntries(text: string, { env, signal }: Terminal): Promise<Entries | undefined> {
  if (isStack(text)) return entriesOfState(await exportStack(text, { env, signal }), text)
  const content = await readFile(text, 'utf8').catch(() => '')
  return isState(content) ? entriesOfState(content, text) : undefined
}

function isStack(text: string): boolean {
  return !/\.(?:json|ya?ml)$/.test(text)
}

/** Where a command line looks up names. */
export function namesOf(terminal: Terminal, settings?: RegistrySettings): Names {
  const { environment, cache } = readingOf(terminal)
  const from = settings ? { ...environment, settings } : environment
  return openNames(tagLists(cache), { environment: from, cache, signal: terminal.signal })
}

/** The same, as the stack looks them up whose name this is, if it is one. */
export async function namesFor(text: string, terminal: Terminal): Promise<Names> {
  return namesOf(terminal, isStack(text) ? await registriesOfStack(text, terminal) : undefined)
}

/** An empty one, where there is none. */
export async function readLock(path: string): Promise<Lock> {
  const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new ProviderError('BAD_INPUT', `Cannot read ${quote(path)}: ${printable(messageOf(error))}`)
  })
  return content === undefined ? { version: 1, names: [], images: [] } : parseLock(content, path)
}

async function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new ProviderError('BAD_INPUT', `Cannot read ${quote(path)}: ${printable(messageOf(error))}`)
  })
}
