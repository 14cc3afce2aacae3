import { sharedWork } from '../oci/shared.ts'
import { recent } from './recent.ts'

/**
 * Remembers what a run needs again and again: the values used last, as long as they weigh no more than `limit` in
 * all. What several ask for at once is made once.
 */
export function memory<T>(
  limit: number,
  weightOf: (value: T) => number,
): (key: string, make: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined) => Promise<T> {
  const kept = recent(limit, weightOf)
  const once = sharedWork<T>()
  return async (key, make, signal) => kept.use(key, kept.get(key) ?? (await once(key, make, signal)))
}
