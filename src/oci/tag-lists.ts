import { z } from 'zod'
import type { Cache } from './cache.ts'
import { sharedWork } from './shared.ts'
import type { Source } from './source.ts'

/** Long enough for a preview and the `up` behind it, which are two processes. */
const maxAge = 10 * 60 * 1000

const listSchema = z.object({ when: z.number(), tags: z.array(z.string().max(255)).max(100_000) })

export interface TagList {
  readonly tags: readonly string[]
  /** Listed by this process; another one may have kept it for some minutes. */
  readonly isNew: boolean
}

interface Asking {
  /** Not one that another process has kept. */
  readonly isNew?: boolean
  /** False for files of this machine, which may change at any time and cost nothing to read. @default true */
  readonly keep?: boolean
  readonly signal?: AbortSignal | undefined
}

/**
 * Lists of tags, each asked for once a run, whoever wants it and how many at once; and not again by the next process,
 * if that comes soon.
 */
export function tagLists(cache: Cache): (source: Source, options?: Asking) => Promise<TagList> {
  const known = new Map<string, TagList>()
  const once = sharedWork<TagList>()
  const list = async (source: Source, signal: AbortSignal) => {
    const tags = await source.tags({ signal })
    await cache.writeJson('tags-v1', source.name, { when: Date.now(), tags })
    return { tags, isNew: true }
  }
  const kept = async (source: Source): Promise<TagList | undefined> => {
    const found = await cache.readJson('tags-v1', source.name, listSchema)
    const age = found ? Date.now() - found.when : maxAge
    return found && age >= 0 && age < maxAge ? { tags: found.tags, isNew: false } : undefined
  }
  return async (source, { isNew = false, keep = true, signal } = {}) => {
    if (!keep) return { tags: await source.tags(signal ? { signal } : {}), isNew: true }
    const { name } = source
    const former = known.get(name)
    if (former && (former.isNew || !isNew)) return former
    const make = async (by: AbortSignal) => (isNew ? undefined : await kept(source)) ?? (await list(source, by))
    const made = await once(`${name} ${isNew}`, make, signal)
    known.set(name, made)
    return made
  }
}
