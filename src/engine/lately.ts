/**
 * Gives what was made for the same key before, of the last `most` keys: hosts that are alike ask for the same, and then
 * have it in common.
 */
export function lately<T>(most: number): (key: string, make: () => T) => T {
  const kept = new Map<string, T>()
  return (key, make) => {
    const value = kept.get(key) ?? make()
    // The last one in a Map's order is the one used last.
    kept.delete(key)
    kept.set(key, value)
    const [oldest] = kept.keys()
    if (kept.size > most && oldest !== undefined) kept.delete(oldest)
    return value
  }
}
