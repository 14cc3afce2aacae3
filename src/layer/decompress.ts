import { Readable } from 'node:stream'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'
import { ProviderError } from '../model/error.ts'
import { ByteReader } from './bytes.ts'

const chunkSize = 256 * 1024
const maxBytes = 8 * 1024 ** 3
// The largest window that zstd itself takes without being asked (C-oci, 2.2).
const maxWindow = 2 ** 27

/**
 * Undoes a layer's compression, told by its first bytes, whatever the media type claims: gzip (several members),
 * zstd (several and skippable frames), or none. Fails on truncation, and above 8 GiB.
 */
export function decompress(input: Readable): Readable {
  return Readable.from(limited(plain(input)), { objectMode: false, highWaterMark: chunkSize })
}

async function* limited(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let total = 0
  for await (const chunk of chunks) {
    total += chunk.length
    if (total > maxBytes)
      throw new ProviderError('LIMIT_EXCEEDED', 'Cannot read the layer: it unpacks to more than 8 GiB')
    yield chunk
  }
}

async function* plain(input: Readable): AsyncIterable<Buffer> {
  const reader = new ByteReader(input)
  const magic = await reader.peek(4)
  if (magic.length >= 2 && magic[0] === 0x1f && magic[1] === 0x8b)
    yield* through(createGunzip({ chunkSize }), reader.rest())
  else if (isZstd(magic)) yield* unzstd(reader)
  else yield* reader.rest()
}

async function* through(
  decoder: NodeJS.ReadWriteStream & Readable,
  bytes: AsyncIterable<Buffer>,
): AsyncIterable<Buffer> {
  const source = Readable.from(bytes, { objectMode: false, highWaterMark: chunkSize })
  source.once('error', (error) => decoder.destroy(error))
  source.pipe(decoder)
  try {
    for await (const chunk of decoder) yield chunk as Buffer
  } catch (error) {
    if (error instanceof ProviderError) throw error
    throw new ProviderError('BAD_IMAGE', `Cannot decompress the layer: ${(error as Error).message}`, { cause: error })
  } finally {
    source.destroy()
  }
}

function isZstd(magic: Buffer): boolean {
  if (magic.length < 4) return false
  const number = magic.readUInt32LE(0)
  return number === 0xfd2fb528 || isSkippable(number)
}

function isSkippable(magic: number): boolean {
  return magic >>> 4 === 0x184d2a5
}

/**
 * zlib of Node 22 and 24 stops silently after the first frame, and `zstd:chunked` layers have many. So frames are
 * found here (RFC 8878, 3.1) and each gets a decoder of its own.
 */
async function* unzstd(reader: ByteReader): AsyncIterable<Buffer> {
  for (;;) {
    const magic = await reader.peek(4)
    if (magic.length === 0) return
    if (!isZstd(magic)) throw truncated()
    if (isSkippable(magic.readUInt32LE(0))) {
      const header = await exactly(reader, 8)
      await skip(reader, header.readUInt32LE(4))
    } else {
      const params = { [constants.ZSTD_d_windowLogMax]: 27 }
      yield* through(createZstdDecompress({ chunkSize, params }), frame(reader))
    }
  }
}

async function* frame(reader: ByteReader): AsyncIterable<Buffer> {
  const start = await exactly(reader, 5)
  const descriptor = start[4] as number
  const single = (descriptor & 0x20) !== 0
  const dictionary = [0, 1, 2, 4][descriptor & 3] as number
  const sizeCode = descriptor >>> 6
  const sizeBytes = sizeCode === 0 ? (single ? 1 : 0) : 1 << sizeCode
  const rest = await exactly(reader, (single ? 0 : 1) + dictionary + sizeBytes)
  if (!single && windowOf(rest[0] as number) > maxWindow) {
    throw new ProviderError('LIMIT_EXCEEDED', 'Cannot read the layer: its zstd window is larger than 128 MiB')
  }
  yield start
  yield rest
  for (;;) {
    const header = await exactly(reader, 3)
    yield header
    const block = header.readUIntLE(0, 3)
    const kind = (block >>> 1) & 3
    yield* some(reader, kind === 1 ? 1 : block >>> 3)
    if ((block & 1) === 1) break
  }
  if ((descriptor & 4) !== 0) yield await exactly(reader, 4)
}

function windowOf(byte: number): number {
  const base = 2 ** (10 + (byte >>> 3))
  return base + (base / 8) * (byte & 7)
}

async function exactly(reader: ByteReader, count: number): Promise<Buffer> {
  const bytes = await reader.take(count)
  if (bytes.length < count) throw truncated()
  return bytes
}

async function* some(reader: ByteReader, count: number): AsyncIterable<Buffer> {
  if (count > 0) yield await exactly(reader, count)
}

async function skip(reader: ByteReader, count: number): Promise<void> {
  for (let left = count; left > 0; ) left -= (await exactly(reader, Math.min(left, chunkSize))).length
}

function truncated(): ProviderError {
  return new ProviderError('BAD_IMAGE', 'Cannot decompress the layer: its zstd data ends early or is damaged')
}
