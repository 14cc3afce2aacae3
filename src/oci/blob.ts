import { Readable } from 'node:stream'
import { ProviderError } from '../model/error.ts'
import type { Answer } from './client.ts'
import { unreachable } from './failure.ts'
import { delayAfter, maxAttempts, type Network, wait } from './network.ts'
import type { Descriptor } from './source.ts'

/** Bytes beyond which an attempt made progress, so that what follows counts as a first attempt again. */
const progress = 1024 ** 2
const maxRestarts = 20

export interface BlobOptions extends Network {
  /** For messages. */
  readonly name: string
  readonly host: string
  readonly signal?: AbortSignal | undefined
}

/**
 * A blob's bytes, each once and in order, over as many connections as it takes. After a cut the blob is asked for
 * from its beginning, and what came before is passed over; that it was the same is proven with the whole, by digest.
 *
 * @param open sends the request; resolves with a 200
 */
export function blobStream(descriptor: Descriptor, open: () => Promise<Answer>, options: BlobOptions): Readable {
  return Readable.from(bytesOf(descriptor, open, options), { objectMode: false, highWaterMark: 256 * 1024 })
}

async function* bytesOf(
  descriptor: Descriptor,
  open: () => Promise<Answer>,
  options: BlobOptions,
): AsyncIterable<Buffer> {
  let delivered = 0
  let mark = 0
  for (let attempt = 1, restarts = 0; ; attempt += 1, restarts += 1) {
    const answer = await open()
    const announced = answer.headers['content-length']
    if (typeof announced === 'string' && Number(announced) !== descriptor.size) {
      answer.body.destroy()
      throw lied(descriptor, options.name, `${announced} bytes`)
    }
    try {
      let at = 0
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        at += chunk.length
        if (at > descriptor.size) throw lied(descriptor, options.name, 'more bytes')
        if (at > delivered) {
          const fresh = chunk.subarray(Math.max(0, chunk.length - (at - delivered)))
          delivered = at
          yield fresh
        }
      }
      if (at === descriptor.size) return
      throw new Error(`${at} of ${descriptor.size} bytes came`)
    } catch (error) {
      options.signal?.throwIfAborted()
      if (error instanceof ProviderError) throw error
      if (delivered - mark >= progress) attempt = 1
      mark = delivered
      if (attempt >= maxAttempts || restarts >= maxRestarts) throw unreachable(options.name, options.host, error)
      await (options.wait ?? wait)(delayAfter(attempt, undefined, Date.now()), options.signal)
    } finally {
      answer.body.on('error', () => {}).destroy()
    }
  }
}

function lied({ digest, size }: Descriptor, name: string, came: string): ProviderError {
  return new ProviderError(
    'DIGEST_MISMATCH',
    `Cannot use ${digest} from ${name}: the registry sends ${came}, its manifest says ${size}; push the image again`,
  )
}
