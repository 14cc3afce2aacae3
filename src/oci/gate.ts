import { wait as defaultWait, type Network } from './network.ts'

/** Blobs that are read at the same time from one registry; others have 3 to 6 (C-oci, 1.2). */
const maxBlobs = 4

interface Passing {
  readonly wait?: Network['wait']
  readonly signal: AbortSignal | undefined
}

/** What this process owes to one host, whichever of its resources asks. */
export interface Gate {
  /** Nobody asks the host before so many milliseconds are over. Tells whether that is news. */
  close(milliseconds: number): boolean
  /** Waits until the host may be asked. */
  pass(options: Passing): Promise<void>
  /** One of the few blobs at a time; resolves with what gives the place back. */
  enter(signal: AbortSignal | undefined): Promise<() => void>
}

const gates = new Map<string, Gate>()

/** @param host `host[:port]` */
export function gateOf(host: string): Gate {
  const found = gates.get(host) ?? openGate()
  gates.set(host, found)
  return found
}

function openGate(): Gate {
  let opens = 0
  let free = maxBlobs
  const queue: (() => void)[] = []
  const leave = () => {
    const next = queue.shift()
    if (next) next()
    else free += 1
  }
  return {
    close: (milliseconds) => {
      const until = Date.now() + milliseconds
      const isNews = until > opens
      opens = Math.max(opens, until)
      return isNews
    },
    pass: async ({ wait = defaultWait, signal }) => {
      // Closed again while we waited, it is waited for again; but for one closing only once, whatever the clock does.
      for (let waited = 0; opens > Math.max(waited, Date.now()); ) {
        waited = opens
        await wait(opens - Date.now(), signal)
      }
    },
    enter: async (signal) => {
      signal?.throwIfAborted()
      if (free > 0) free -= 1
      else
        await new Promise<void>((resolve, reject) => {
          const turn = () => {
            signal?.removeEventListener('abort', abort)
            resolve()
          }
          const abort = () => {
            queue.splice(queue.indexOf(turn), 1)
            reject(signal?.reason)
          }
          queue.push(turn)
          signal?.addEventListener('abort', abort, { once: true })
        })
      return leave
    },
  }
}
