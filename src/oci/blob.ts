import { Readable } from 'node:stream'
import { ProviderError } from '../model/error.ts'
import type { Answer } from './client.ts'
import { unreachable } from './failure.ts'
import { gateOf } from './gate.ts'
import { delayAfter, maxAttempts, type Network, wait } from './network.ts'
import type { Repository } from './repository.ts'
import type { Descriptor } from './source.ts'

/** Bytes beyond which an attempt made progress, so that what follows counts as a first attempt again. */
const progress = 1024 ** 2
const maxRestarts = 20

interface BlobOptions {
  readonly repository: Repository
  readonly network?: Network | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * A blob's bytes, each once and in order, over as many connections as it takes. After a cut the rest is asked for;
 * where a registry does not give parts, what came before is passed over. That both halves belong together is proven
 * with the whole, by digest.
 */
export function blobStream(descriptor: Descriptor, options: BlobOptions): Readable {
  const stop = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal
  const bytes = bytesOf(descriptor, { ...options, signal })
  return new Readable({
    highWaterMark: 256 * 1024,
    read() {
      bytes.next().then(
        ({ value, done }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      )
    },
    // Who stops reading must not wait for a byte that is under way, nor keep its place among the readers.
    destroy(error, done) {
      stop.abort()
      bytes.return(undefined).then(
        () => done(error),
        () => done(error),
      )
    },
  })
}

async function* bytesOf(descriptor: Descriptor, options: BlobOptions): AsyncGenerator<Buffer, undefined> {
  const leave = await gateOf(options.repository.origin.host).enter(options.signal)
  try {
    yield* overConnections(descriptor, options)
  } finally {
    leave()
  }
}

async function* overConnections(
  descriptor: Descriptor,
  { repository, network, signal }: BlobOptions,
): AsyncIterable<Buffer> {
  const { name } = repository
  let delivered = 0
  let mark = 0
  let asksForParts = true
  for (let attempt = 1, restarts = 0; ; attempt += 1, restarts += 1) {
    const from = asksForParts ? delivered : 0
    // No If-Range: what is at a digest does not change, and whoever lies there is found out by it.
    const headers = from > 0 ? { range: `bytes=${from}-` } : {}
    const statuses = from > 0 ? [200, 206, 416] : [200]
    const answer = await repository.expect(`blobs/${descriptor.digest}`, { headers, signal, statuses })
    try {
      if (answer.statusCode !== 200 && !isRest(answer, from, descriptor.size)) {
        asksForParts = false
        throw new Error('it does not give the rest of a blob')
      }
      let at = answer.statusCode === 200 ? 0 : from
      if (answer.statusCode === 200) checkLength(answer, descriptor, name)
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        at += chunk.length
        if (at > descriptor.size) throw lied(descriptor, name, 'more bytes')
        if (at > delivered) {
          const fresh = chunk.subarray(Math.max(0, chunk.length - (at - delivered)))
          delivered = at
          yield fresh
        }
      }
      if (at === descriptor.size) return
      throw new Error(`${at} of ${descriptor.size} bytes came`)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof ProviderError) throw error
      // Without a length, an end that is lost takes nothing with it.
      if (delivered === descriptor.size) return
      if (delivered - mark >= progress) attempt = 1
      mark = delivered
      if (attempt >= maxAttempts || restarts >= maxRestarts) throw unreachable(name, answer.url.host, error)
    } finally {
      answer.body.on('error', () => {}).destroy()
    }
    await (network?.wait ?? wait)(delayAfter(attempt), signal)
  }
}

/** Whether a part is exactly what was asked for (RFC 9110, 14.4). */
function isRest({ statusCode, headers }: Answer, from: number, size: number): boolean {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(String(headers['content-range'])) ?? []
  const length = headers['content-length']
  return (
    statusCode === 206 &&
    Number(first) === from &&
    Number(last) === size - 1 &&
    (total === '*' || Number(total) === size) &&
    (length === undefined || Number(length) === size - from)
  )
}

function checkLength({ headers }: Answer, descriptor: Descriptor, name: string): void {
  const announced = headers['content-length']
  if (typeof announced === 'string' && Number(announced) !== descriptor.size)
    throw lied(descriptor, name, `${announced} bytes`)
}

function lied({ digest, size }: Descriptor, name: string, came: string): ProviderError {
  return new ProviderError(
    'DIGEST_MISMATCH',
    `Cannot use ${digest} from ${name}: the registry sends ${came}, its manifest says ${size}; push the image again`,
  )
}
