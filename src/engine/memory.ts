import { sharedWork } from '../oci/shared.ts'

/**
 * Remembers what a run needs again and again: the values used last, as long as they weigh no more than `limit` in
 * all. What several ask for at once is made once.
 */
export function memory<T>(
  limit: number,
  weightOf: (value: T) => number,
): (key: string, make: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined) => Promise<T> {
  const kept = new Map<string, T>()
  const once = sharedWork<T>()
  return async (key, make, signal) => {
    const value = kept.get(key) ?? (await once(key, make, signal))
    // The last one in a Map's order is the one used last.
    kept.delete(key)
    kept.set(key, value)
    let weight = 0
    for (const [one, other] of [...kept].reverse()) {
      weight += weightOf(other)
      if (weight > limit && one !== key) kept.delete(one)
    }
    return value
  }
}
