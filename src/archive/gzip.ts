import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { ByteReader } from './bytes.ts'

const chunkSize = 256 * 1024

interface Gzip {
  readonly decoder: NodeJS.ReadWriteStream & Readable
  readonly bytes: AsyncIterable<Buffer>
  /** What follows the last member, to be asked for when the decoder has ended. */
  rest(): AsyncIterable<Buffer>
}

/**
 * All members of a gzip stream (RFC 1952, 2.2). zlib ends at the first zero behind a member, because tapes are filled
 * up with them, and says nothing of what comes after: another member there is one that other readers take.
 */
export function gzipMembers(reader: ByteReader): Gzip {
  const decoder = createGunzip({ chunkSize })
  // Chunks that the decoder has been given and may not have used up; the first begins at byte `start`.
  const ahead: Buffer[] = []
  let start = 0
  const bytes = async function* () {
    for await (const chunk of reader.rest()) {
      for (let [used] = ahead; used && start + used.length <= decoder.bytesWritten; [used] = ahead) {
        start += used.length
        ahead.shift()
      }
      ahead.push(chunk)
      yield chunk
    }
  }
  const rest = async function* () {
    let used = decoder.bytesWritten - start
    for (const chunk of ahead) {
      yield chunk.subarray(Math.min(used, chunk.length))
      used = Math.max(0, used - chunk.length)
    }
    yield* reader.rest()
  }
  return { decoder, bytes: bytes(), rest }
}
