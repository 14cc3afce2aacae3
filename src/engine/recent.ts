/**
 * The values used last, as long as they weigh no more than `limit` in all; the one used at last stays, whatever it weighs.
 *
 * @param weightOf default 1 each
 */
export function recent<T>(limit: number, weightOf: (value: T) => number = () => 1) {
  const kept = new Map<string, T>()
  return {
    get: (key: string): T | undefined => kept.get(key),
    use: (key: string, value: T): T => {
      // The last one in a Map's order is the one used last.
      kept.delete(key)
      kept.set(key, value)
      let weight = 0
      for (const [one, other] of [...kept].reverse()) {
        weight += weightOf(other)
        if (weight > limit && one !== key) kept.delete(one)
      }
      return value
    },
  }
}
