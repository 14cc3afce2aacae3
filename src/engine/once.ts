/**
 * Makes a value once for each key: what several ask for, at once or later, they have in common. What fails is made again.
 */
export function once<T>(made: Map<string, T>, key: string, make: () => T): T {
  if (made.has(key)) return made.get(key) as T
  const value = make()
  made.set(key, value)
  if (value instanceof Promise) value.catch(() => made.get(key) === value && made.delete(key))
  return value
}

/** The same, for as long as the object is there that values are made of. */
export function onceFor<Of extends object>(): <T>(of: Of, key: string, make: () => T) => T {
  const made = new WeakMap<Of, Map<string, unknown>>()
  return <T>(of: Of, key: string, make: () => T) => {
    const values = made.get(of) ?? new Map<string, unknown>()
    made.set(of, values)
    return once(values as Map<string, T>, key, make)
  }
}
