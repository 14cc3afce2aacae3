import { type Code, ProviderError } from '../model/error.ts'
import type { Change } from './declare.ts'

interface Waiting {
  readonly change: Change
  resolve(): void
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
 */
export function groupCommit(
  commit: (changes: readonly Change[]) => Promise<void>,
  options: { readonly ready: () => Promise<void> },
): (change: Change) => Promise<void> {
  const waiting: Waiting[] = []
  let running = false
  const run = async () => {
    running = true
    while (waiting.length > 0) {
      await options.ready()
      const batch = waiting.splice(0)
      try {
        await commit(batch.map(({ change }) => change))
        for (const one of batch) one.resolve()
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
      waiting.push({ change, resolve: () => resolve(), reject })
      if (!running) void run()
    })
}
