import type { Readable } from 'node:stream'
import { constants, createZstdDecompress } from 'node:zlib'
import { ProviderError } from '../model/error.ts'
import type { ByteReader } from './bytes.ts'
import { type ArchiveName, refuseArchive } from './refuse.ts'

const chunkSize = 256 * 1024
// The largest window that zstd itself takes without being asked (C-oci, 2.2).
const maxWindowLog = 27

interface Frame {
  readonly decoder: NodeJS.ReadWriteStream & Readable
  readonly bytes: AsyncIterable<Buffer>
}

/** A frame or a skippable frame, which is how `zstd:chunked` layers may begin. */
export function isZstd(magic: Buffer): boolean {
  if (magic.length < 4) return false
  return magic.readUInt32LE(0) === 0xfd2fb528 || isSkippable(magic)
}

function isSkippable(magic: Buffer): boolean {
  return magic.readUInt32LE(0) >>> 4 === 0x184d2a5
}

/**
 * zlib of Node 22 and 24 stops silently after the first frame, and `zstd:chunked` layers have many. So frames are
 * found here (RFC 8878, 3.1) and each gets a decoder of its own; each must be read before the next is asked for.
 */
export async function* zstdFrames(reader: ByteReader, name: ArchiveName): AsyncIterable<Frame> {
  for (let magic = await reader.peek(4); magic.length > 0; magic = await reader.peek(4)) {
    if (!isZstd(magic)) throw damaged(name)
    if (isSkippable(magic)) {
      let left = (await exactly(reader, 8, name)).readUInt32LE(4)
      while (left > 0) {
        const bytes = await reader.some(left)
        if (bytes === undefined) throw damaged(name)
        left -= bytes.length
      }
    } else {
      const params = { [constants.ZSTD_d_windowLogMax]: maxWindowLog }
      yield { decoder: createZstdDecompress({ chunkSize, params }), bytes: frame(reader, name) }
    }
  }
}

async function* frame(reader: ByteReader, name: ArchiveName): AsyncIterable<Buffer> {
  const start = await exactly(reader, 5, name)
  const descriptor = start[4] as number
  const single = (descriptor & 0x20) !== 0
  const dictionary = [0, 1, 2, 4][descriptor & 3] as number
  const sizeCode = descriptor >>> 6
  const sizeBytes = sizeCode === 0 ? (single ? 1 : 0) : 1 << sizeCode
  const rest = await exactly(reader, (single ? 0 : 1) + dictionary + sizeBytes, name)
  // A single segment has no window but itself.
  const window = single ? contentSize(rest.subarray(dictionary)) : windowOf(rest[0] as number)
  if (window > 2 ** maxWindowLog) {
    throw new ProviderError(
      'LIMIT_EXCEEDED',
      `Cannot use ${name}: its zstd window is larger than 128 MiB; compress it without --ultra and --long`,
    )
  }
  yield start
  yield rest
  for (let last = false; !last; ) {
    const header = await reader.peek(3)
    if (header.length < 3) throw damaged(name)
    const block = header.readUIntLE(0, 3)
    last = (block & 1) === 1
    // A block of one repeated byte has only that byte, whatever its size.
    const size = ((block >>> 1) & 3) === 1 ? 1 : block >>> 3
    // Together, because each piece costs the decoder a turn of its own.
    yield await exactly(reader, 3 + size, name)
  }
  if ((descriptor & 4) !== 0) yield await exactly(reader, 4, name)
}

function windowOf(byte: number): number {
  const base = 2 ** (10 + (byte >>> 3))
  return base + (base / 8) * (byte & 7)
}

/** RFC 8878, 3.1.1.1.4. */
function contentSize(field: Buffer): number {
  if (field.length === 8) return Number(field.readBigUInt64LE())
  return field.readUIntLE(0, field.length) + (field.length === 2 ? 256 : 0)
}

async function exactly(reader: ByteReader, count: number, name: ArchiveName): Promise<Buffer> {
  const bytes = await reader.take(count)
  if (bytes.length < count) throw damaged(name)
  return bytes
}

function damaged(name: ArchiveName): ProviderError {
  return refuseArchive(name, 'its zstd data is damaged or ends early')
}
