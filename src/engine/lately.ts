import { recent } from './recent.ts'

/**
 * Gives what was made for the same key before, of the last `most` keys: hosts that are alike ask for the same, and then
 * have it in common.
 */
export function lately<T>(most: number): (key: string, make: () => T) => T {
  const kept = recent<T>(most)
  return (key, make) => kept.use(key, kept.get(key) ?? make())
}
