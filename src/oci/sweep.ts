import type { Stats } from 'node:fs'
import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'

const minute = 60_000
/** Another process may be about to open what was used so lately. */
const inUse = 60 * minute
/** Longer than any download or lock: a file of that age was left by a process that was killed. */
const leftover = 24 * 60 * minute
/** Use is marked no more often, so that reading what is there stays a matter of one `stat`. */
const markEvery = 10 * minute
const lookEvery = minute
/** What is left after a sweep, so that the next one is not due with the next file. */
const share = 0.9

/**
 * Keeps a cache below its limit, without counting all of it each time: it looks once a process, when something came,
 * and again when what came since may have passed the limit. What was used longest ago goes first; what was used in
 * the last hour stays, even above the limit. Several processes may do it at once.
 */
export function sweeper(folder: string, limit: () => number): (added: number) => Promise<void> {
  let total: number | undefined
  let looked = -Infinity
  return async (added) => {
    if (total !== undefined) total += added
    const now = Date.now()
    if (now - looked < lookEvery || (total !== undefined && total <= limit())) return
    looked = now
    total = await sweep(folder, limit(), now)
  }
}

interface Kept {
  readonly path: string
  readonly size: number
  readonly used: number
}

/** @returns the size of what is left */
async function sweep(folder: string, limit: number, now: number): Promise<number> {
  const files: Kept[] = []
  for (const path of await filesOf(folder)) {
    const found = await stat(path).catch(() => undefined)
    if (!found?.isFile()) continue
    const isWhole = /^[0-9a-f]{64}(?:\.json)?$/.test(basename(path))
    if (isWhole) files.push({ path, size: found.size, used: usedAt(found) })
    else if (now - found.mtimeMs > leftover) await rm(path, { force: true }).catch(() => {})
  }
  let total = files.reduce((sum, { size }) => sum + size, 0)
  if (total <= limit) return total
  for (const { path, size } of files.sort((a, b) => a.used - b.used)) {
    if (total <= limit * share) break
    // Looked at again: somebody may have come for it meanwhile.
    const found = await stat(path).catch(() => undefined)
    if (found && now - usedAt(found) < inUse) continue
    const isGone = await rm(path, { force: true }).then(
      () => true,
      () => false,
    )
    if (isGone) total -= size
  }
  return total
}

async function filesOf(folder: string): Promise<string[]> {
  const names = (path: string) => readdir(path).catch((): string[] => [])
  const derived = await names(join(folder, 'derived'))
  const folders = [join(folder, 'blobs', 'sha256'), ...derived.map((kind) => join(folder, 'derived', kind))]
  const files = await Promise.all(folders.map(async (one) => (await names(one)).map((name) => join(one, name))))
  return files.flat()
}

function usedAt({ atimeMs, mtimeMs }: Stats): number {
  return Math.max(atimeMs, mtimeMs)
}

/**
 * Marks a file as used now, by its access time, which most file systems no longer keep themselves.
 *
 * @returns how it looks afterwards
 */
export async function markUsed(path: string, found: Stats): Promise<Stats> {
  const now = Date.now()
  if (now - usedAt(found) < markEvery) return found
  try {
    await utimes(path, now / 1000, Math.floor(found.mtimeMs / 1000))
    return await stat(path)
  } catch {
    // Somebody else's cache, or a read-only one: then its owner sweeps.
    return found
  }
}

const defaultLimit = 10 * 1024 ** 3
const sizePattern = /^(\d{1,9}(?:\.\d{1,3})?) ?(?:([KMGT])(i?)B?|B)?$/i

/**
 * How many bytes the controller's cache may keep: `PGOCI_CACHE_SIZE`, as `20GB`, `500 MB` or `1.5GiB`; 10 GiB by
 * default; `0` for no limit.
 *
 * @throws ProviderError BAD_INPUT
 */
export function cacheLimit(env: NodeJS.ProcessEnv = process.env): number {
  const text = env['PGOCI_CACHE_SIZE']?.trim()
  if (!text) return defaultLimit
  const [, count = '', unit = ' ', binary] = sizePattern.exec(text) ?? []
  if (count === '')
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot use PGOCI_CACHE_SIZE ${quote(text)}: it is no size; write it as in 20GB, or 0 for no limit`,
    )
  const size = Number(count) * (binary ? 1024 : 1000) ** ' KMGT'.indexOf(unit.toUpperCase())
  return size === 0 ? Infinity : size
}
