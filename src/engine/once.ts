/**
 * Makes a value once for each key, for as long as the object is there that it is made of: what several ask for, at once
 * or later, they have in common. What fails is made again.
 */
export function onceFor<Of extends object>(): <T>(of: Of, key: string, make: () => T) => T {
  const made = new WeakMap<Of, Map<string, unknown>>()
  return <T>(of: Of, key: string, make: () => T) => {
    const values = made.get(of) ?? new Map<string, unknown>()
    made.set(of, values)
    if (!values.has(key)) {
      const value = make()
      values.set(key, value)
      if (value instanceof Promise) value.catch(() => values.delete(key))
    }
    return values.get(key) as T
  }
}
