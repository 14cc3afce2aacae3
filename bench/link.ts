import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'

/**
 * `lan` only counts; `wan` has 20 ms there and back, and 100 Mbit/s each way; `far` has the 20 ms alone; `narrow` has
 * 5 Mbit/s, for tests.
 */
export type LinkKind = 'lan' | 'wan' | 'far' | 'narrow'

export interface Link {
  readonly port: number
  /** Bytes so far, SSH's own included. */
  readonly sent: number
  readonly received: number
  close(): void
}

const oneWay = 10
/** Bytes in a millisecond. */
const megabits = (count: number) => (count * 1_000_000) / 8 / 1000
// As much as the path holds and a router's queue; then the sender has to wait.
const maxUnderway = 512 * 1024

/** A TCP proxy before `port`. In user space, because many kernels lack netem; it keeps delay and rate, not slow start. */
export async function startLink(port: number, kind: LinkKind, host: string = '127.0.0.1'): Promise<Link> {
  const counts = { sent: 0, received: 0 }
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    const far = createConnection({ port, host, noDelay: true, allowHalfOpen: true })
    const carry = carriers[kind]
    carry(near, far, (bytes) => (counts.sent += bytes))
    carry(far, near, (bytes) => (counts.received += bytes))
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => sockets.delete(one))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get sent() {
      return counts.sent
    },
    get received() {
      return counts.received
    },
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

type Carry = (from: Socket, to: Socket, count: (bytes: number) => void) => void

const atOnce: Carry = (from, to, count) => {
  from.on('data', (chunk) => count(chunk.length))
  from.pipe(to)
}

const slowly =
  (rate: number): Carry =>
  (from, to, count) => {
    let underway = 0
    let lineIsFree = 0
    // Timers may end in another order than they were set in; bytes may not.
    const queue: (() => void)[] = []
    const deliver = (bytes: number, action: () => void) => {
      lineIsFree = Math.max(lineIsFree, performance.now()) + bytes / rate
      queue.push(action)
      setTimeout(() => queue.shift()?.(), Math.max(1, lineIsFree + oneWay - performance.now()))
    }
    from.on('data', (chunk: Buffer) => {
      count(chunk.length)
      underway += chunk.length
      if (underway > maxUnderway) from.pause()
      deliver(chunk.length, () => {
        // What the next line does not take yet is still underway: no router keeps megabytes for each connection.
        to.write(chunk, () => {
          underway -= chunk.length
          if (underway <= maxUnderway) from.resume()
        })
      })
    })
    from.on('end', () => deliver(0, () => to.end()))
  }

const carriers: Record<LinkKind, Carry> = {
  lan: atOnce,
  wan: slowly(megabits(100)),
  far: slowly(Number.POSITIVE_INFINITY),
  narrow: slowly(megabits(5)),
}
