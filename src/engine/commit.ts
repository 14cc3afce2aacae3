import { type Code, ProviderError } from '../model/error.ts'
import type { Change } from './declare.ts'

interface Waiting<R> {
  readonly change: Change
  resolve(result: R): void
  reject(error: unknown): void
}

// These fail every change of a host alike; trying each alone would only wait as often for the same time limit.
const ofTheHost: readonly Code[] = [
  'HOST_UNREACHABLE',
  'HOST_KEY_REFUSED',
  'HOST_LACKS_TOOL',
  'LOGIN_REFUSED',
  'LOCKED',
  'ABORTED',
]

/**
 * Turns changes that come one by one and at once into few commits: whatever is ready when a commit ends goes into
 * the next. A batch that fails is tried change by change, so that one bad change fails alone.
 *
 * @param options.ready resolves when no more changes are about to come
 * @returns what `commit` answers to the batch that a change was in
 */
export function groupCommit<R>(
  commit: (changes: readonly Change[]) => Promise<R>,
  options: { readonly ready: () => Promise<void> },
): (change: Change) => Promise<R> {
  const waiting: Waiting<R>[] = []
  let running = false
  const run = async () => {
    running = true
    while (waiting.length > 0) {
      await options.ready()
      const batch = waiting.splice(0)
      try {
        const result = await commit(batch.map(({ change }) => change))
        for (const one of batch) one.resolve(result)
      } catch (error) {
        const isCommon = error instanceof ProviderError && ofTheHost.includes(error.code)
        if (isCommon || batch.length === 1) for (const one of batch) one.reject(error)
        else for (const one of batch) await commit([one.change]).then(one.resolve, one.reject)
      }
    }
    running = false
  }
  return (change) =>
    new Promise((resolve, reject) => {
      waiting.push({ change, resolve, reject })
      if (!running) void run()
    })
}
