import type { Probe } from '../host/answer.ts'
import { probe } from '../host/probe.ts'
import type { StoreTarget } from '../host/store.ts'
import { ProviderError } from '../model/error.ts'
import { sameMembers } from './declare.ts'
import { recordsOf } from './kept.ts'
import type { Packing } from './pack.ts'
import type { Record } from './record.ts'
import { sendRecord } from './send-record.ts'

/** A state that an instance is in, or was in and could be in again. */
export interface Former {
  readonly generation: number
  readonly record: Record
  readonly isCurrent: boolean
  /** How many entries of its trees are not as they were. */
  readonly deviations: number
  /** Servers that were started from its tree, which other generations may have as well. */
  readonly running: readonly { readonly pid: number; readonly since: number }[]
}

/** What the host keeps of an instance, the newest first. */
export async function listFormer(
  target: StoreTarget,
  options: { readonly deep?: number; readonly signal?: AbortSignal } = {},
): Promise<{ readonly seen: Probe; readonly former: readonly Former[] }> {
  const seen = await probe(target, { verify: 'quick', purpose: 'recheck', ...options })
  const records = [...recordsOf(seen, target.transport.name)].sort(([a], [b]) => b - a)
  const former = records.map(([generation, record]) => ({
    generation,
    record,
    isCurrent: generation === seen.generation,
    deviations: treesOf(seen, generation).reduce((sum, { name }) => sum + deviationsOf(seen, name), 0),
    running: seen.running.filter(({ tree }) =>
      treesOf(seen, generation).some(({ role, name }) => role === 'root' && name === tree),
    ),
  }))
  return { seen, former }
}

/**
 * The generation to go back to when nobody says which: the newest that another `up` left. Who has gone back already,
 * goes on from there.
 *
 * @throws ProviderError NOT_FOUND
 */
export function chooseFormer(former: readonly Former[], to: number | undefined, place: string): Former {
  const current = former.find(({ isCurrent }) => isCurrent)
  const from = current?.record.rolledBack?.to ?? current?.generation ?? Number.POSITIVE_INFINITY
  const run = former.find(({ generation }) => generation === from)?.record.run
  const found =
    to === undefined
      ? former.find(({ generation, record }) => generation < from && (run === undefined || record.run !== run))
      : former.find(({ generation }) => generation === to)
  const numbers = former.filter(({ isCurrent }) => !isCurrent).map(({ generation }) => generation)
  const there = numbers.length === 0 ? 'no other one' : numbers.join(', ')
  if (found === undefined) {
    const what = to === undefined ? 'it has no former generation' : `it has no generation ${to}`
    throw new ProviderError('NOT_FOUND', `Cannot roll back ${place}: ${what}; there is ${there}`)
  }
  if (found.isCurrent)
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot roll back ${place}: generation ${to} is the current one; there is ${there}`,
    )
  return found
}

/**
 * Makes a former generation current again, as a new one that says so. Nothing is sent but its record: its trees are
 * there, and every file of them is hashed before.
 *
 * @returns the number of the new generation
 * @throws ProviderError HOST_REFUSED for a damaged one, STORE_CHANGED when somebody else was faster
 */
export async function rollBack(
  target: StoreTarget,
  former: Former,
  options: { readonly who: string; readonly packing: Packing; readonly signal?: AbortSignal },
): Promise<number> {
  const signal = options.signal ? { signal: options.signal } : {}
  const place = `${target.root}/instances/${target.instance} on ${target.transport.name}`
  const again = await listFormer(target, { deep: former.generation, ...signal })
  const found = chooseFormer(again.former, former.generation, place)
  const trees = new Map(treesOf(again.seen, found.generation).map(({ role, name }) => [role, name]))
  const [root, live] = [trees.get('root'), trees.get('live')]
  if (found.deviations > 0 || root === undefined || live === undefined)
    throw new ProviderError(
      'HOST_REFUSED',
      `Cannot roll back ${place}: ${found.deviations || 'all'} entries of generation ${found.generation} are missing or damaged; choose another one, or declare its images and run pulumi up, which brings them again`,
    )
  const record = recordOf(found, again.former.find(({ isCurrent }) => isCurrent)?.record, options.who)
  return sendRecord(target, again.seen, { record, root, live, options })
}

function recordOf({ generation, record }: Former, current: Record | undefined, who: string): Record {
  const when = new Date().toISOString()
  const { members, layout } = record
  // Of a generation that was itself gone back to, the members are the same.
  const declared = current?.rolledBack?.declared ?? current?.members ?? members
  const rolledBack = { to: record.rolledBack?.to ?? generation, when, who, declared }
  return { version: 1, members, layout, when, who, ...(sameMembers(declared, members) ? {} : { rolledBack }) }
}

function treesOf(seen: Probe, generation: number) {
  return seen.trees.filter((one) => one.generation === generation)
}

function deviationsOf(seen: Probe, tree: string): number {
  return new Set(seen.deviations.get(tree)?.map(({ path }) => path)).size
}
