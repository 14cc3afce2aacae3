interface Underway<T> {
  readonly result: Promise<T>
  readonly stop: AbortController
  wanting: number
}

/**
 * Does a work once for all who want the same at the same time. Who is aborted leaves the others theirs; the last one
 * to leave stops it, and waits until it has stopped.
 */
export function sharedWork<T>(): (
  key: string,
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal | undefined,
) => Promise<T> {
  const underway = new Map<string, Underway<T>>()
  const begin = (key: string, work: (signal: AbortSignal) => Promise<T>) => {
    const stop = new AbortController()
    const one: Underway<T> = { result: work(stop.signal), stop, wanting: 0 }
    underway.set(key, one)
    const forget = () => void (underway.get(key) === one && underway.delete(key))
    one.result.then(forget, forget)
    return one
  }
  return async (key, work, signal) => {
    signal?.throwIfAborted()
    const one = underway.get(key) ?? begin(key, work)
    one.wanting += 1
    try {
      return await unlessAborted(one.result, signal)
    } finally {
      one.wanting -= 1
      if (one.wanting === 0) {
        // Whoever comes now begins anew.
        if (underway.get(key) === one) underway.delete(key)
        one.stop.abort(signal?.reason)
        await one.result.catch(() => {})
      }
    }
  }
}

/** At most `count` works at once for each key; the others wait in line, and leave it when they are aborted. */
export function inTurns(
  count: number,
): <T>(key: string, work: () => Promise<T>, signal: AbortSignal | undefined) => Promise<T> {
  const lines = new Map<string, { free: number; readonly waiting: (() => void)[] }>()
  return async (key, work, signal) => {
    const line = lines.get(key) ?? { free: count, waiting: [] }
    lines.set(key, line)
    if (line.free > 0) line.free -= 1
    else {
      const turn = Promise.withResolvers<void>()
      line.waiting.push(turn.resolve)
      try {
        await unlessAborted(turn.promise, signal)
      } catch (error) {
        const at = line.waiting.indexOf(turn.resolve)
        // Its turn may have come in the same moment.
        if (at >= 0) line.waiting.splice(at, 1)
        else pass(line)
        throw error
      }
    }
    try {
      return await work()
    } finally {
      pass(line)
    }
  }
}

function pass(line: { free: number; readonly waiting: (() => void)[] }): void {
  const next = line.waiting.shift()
  if (next) next()
  else line.free += 1
}

/** Rejects at once when aborted; what was waited for goes its way. */
export async function unlessAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return result
  const aborted = Promise.withResolvers<never>()
  const stop = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    return await Promise.race([result, aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
