import type { Probe } from '../host/answer.ts'
import { printable } from '../model/quote.ts'
import { currentTrees } from './drift.ts'

/** Something that is installed and that a process does not use yet: no drift, because only a person may restart it. */
export interface Pending {
  /** A server runs from a former tree; or sessions have a library that is gone or of a former generation. */
  readonly kind: 'restart' | 'session'
  readonly pids: readonly number[]
  /** Seconds since 1970. */
  readonly since?: number | undefined
  readonly tree: string
  /** The library, in its tree. */
  readonly path?: string | undefined
  readonly effect: string
}

const maxPids = 20

export function findPending(seen: Probe): Pending[] {
  const current = new Set(currentTrees(seen).map(({ name }) => name))
  // A tree that two instances have may be run by the other one's server.
  const former = new Map(
    seen.trees.flatMap(({ role, name, generation }) =>
      generation === 0 || current.has(name) || (role === 'root' && seen.elsewhere.has(name))
        ? []
        : [[name, generation]],
    ),
  )
  const restarts = seen.running.flatMap(({ pid, since, tree }): Pending[] => {
    const generation = former.get(tree)
    if (generation === undefined) return []
    const effect = `it runs what generation ${generation} installed; restart it to use generation ${seen.shown}`
    return [{ kind: 'restart', pids: [pid], since, tree, effect }]
  })
  const restarting = new Set(restarts.map(({ tree }) => tree))
  const sessions = seen.mapped.flatMap(({ tree, path, state, pids }): Pending[] => {
    if (!current.has(tree) && (!former.has(tree) || restarting.has(tree))) return []
    const why = state === 'gone' ? 'a file that was removed or replaced' : `a file of generation ${former.get(tree)}`
    const effect = `they run ${why} until their sessions end`
    const numbers = pids.split(',').map(Number).filter(Number.isSafeInteger).slice(0, maxPids)
    return [{ kind: 'session', pids: numbers, tree, path, effect }]
  })
  return [...restarts, ...sessions]
}

export function pendingLine({ kind, pids, since, path, effect }: Pending): string {
  if (kind === 'restart') {
    const when = since ? `, since ${new Date(since * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC` : ''
    return `restart pending: postmaster ${pids[0]}${when}: ${effect}`
  }
  return `session pending: ${pids.length === 1 ? 'process' : 'processes'} ${pids.join(', ')} with ${printable(path ?? '')}: ${effect}`
}

/** What was put right on the way, in lines for a person. */
export function renewedLines(seen: Probe): string[] {
  return seen.renewed.map(({ tree, files, copies }) => {
    const area = currentTrees(seen).find(({ name }) => name === tree)?.area ?? printable(tree)
    const apart =
      copies > 0
        ? `; ${copies} of them are copies that no longer share the store's space, until a change of their tree`
        : ''
    return `metadata re-baselined: ${files} entries of the tree "${area}" have other inodes or times, as after a restored backup, and the right content${apart}`
  })
}
