interface Known<T> {
  readonly identity: string
  readonly value: Promise<T>
}

/** Gives what was made of a file before, for as long as its identity stays the same. */
export type Remember<T> = (path: string, identity: string, make: () => Promise<T>) => Promise<T>

/** A memory of this process; who asks while something is being made waits for it. */
export function rememberByFile<T>(): Remember<T> {
  const all = new Map<string, Known<T>>()
  return async (path, identity, make) => {
    const known = all.get(path)
    // What failed for another caller may have been that caller's own signal.
    const found = known?.identity === identity ? await known.value.then(wrap, () => undefined) : undefined
    if (found !== undefined) return found.value
    const value = make()
    all.set(path, { identity, value })
    return value
  }
}

const wrap = <T>(value: T) => ({ value })
