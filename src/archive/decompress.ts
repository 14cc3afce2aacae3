import { Readable } from 'node:stream'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { ByteReader } from './bytes.ts'
import { gzipMembers } from './gzip.ts'
import { isZero } from './header.ts'
import { type ArchiveName, refuseArchive, unnamed } from './refuse.ts'
import { isZstd, zstdFrames } from './zstd.ts'

// The default of 16 KiB costs a third of the speed (C-oci, 5.1).
const chunkSize = 256 * 1024
const maxBytes = 8 * 1024 ** 3
// gzip ends at 1,030:1 and zstd at 32,000:1; files of a distribution reach 10:1. Small layers are let be.
const maxRatio = 250
const ratioFrom = 64 * 1024 ** 2

/**
 * Undoes a layer's compression, told by its first bytes, whatever the media type claims: gzip (several members),
 * zstd (several and skippable frames), or none. It is as far ahead of its reader as one chunk, and destroying it
 * destroys `input`. Fails on truncation, on damage, on bombs, and above 8 GiB.
 */
export function decompress(input: Readable, options: { readonly name?: ArchiveName } = {}): Readable {
  const { name = unnamed } = options
  const output = Readable.from(plain(input, name), { objectMode: false, highWaterMark: chunkSize })
  // A generator that was never started has nothing to clean up.
  return output.once('close', () => input.destroy())
}

async function* plain(input: Readable, name: ArchiveName): AsyncIterable<Buffer> {
  let came = 0
  const counted = async function* (): AsyncIterable<Buffer> {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      came += chunk.length
      yield chunk
    }
  }
  const reader = new ByteReader(counted())
  let left = 0
  try {
    for await (const chunk of decoded(reader, name)) {
      left += chunk.length
      if (left > maxBytes) throw bomb(name, 'to more than 8 GiB')
      if (left > ratioFrom && left > came * maxRatio) throw bomb(name, `to more than ${maxRatio} times its size`)
      yield chunk
    }
  } finally {
    await reader.close()
  }
}

/** Whether these first bytes are those of a compression that {@link decompress} undoes. */
export function isCompressed(magic: Buffer): boolean {
  return isGzip(magic) || isZstd(magic)
}

const isGzip = (magic: Buffer) => magic[0] === 0x1f && magic[1] === 0x8b

async function* decoded(reader: ByteReader, name: ArchiveName): AsyncIterable<Buffer> {
  const magic = await reader.peek(4)
  if (isGzip(magic)) {
    const gzip = gzipMembers(reader)
    yield* through(gzip.decoder, gzip.bytes, name)
    for await (const bytes of gzip.rest())
      if (!isZero(bytes)) throw refuseArchive(name, 'there is data after the end of its gzip stream')
  } else if (isZstd(magic))
    for await (const frame of zstdFrames(reader, name)) yield* through(frame.decoder, frame.bytes, name)
  else yield* reader.rest()
}

async function* through(decoder: NodeJS.ReadWriteStream & Readable, bytes: AsyncIterable<Buffer>, name: ArchiveName) {
  const source = Readable.from(bytes, { objectMode: false, highWaterMark: chunkSize })
  source.once('error', (error) => decoder.destroy(error))
  source.pipe(decoder)
  try {
    for await (const chunk of decoder) yield chunk as Buffer
  } catch (error) {
    // Only zlib speaks in such codes; what the input itself says is its own.
    const { code } = error as NodeJS.ErrnoException
    if (!/^(?:Z_|ZSTD_|ERR_ZLIB)/.test(code ?? '')) throw error
    throw refuseArchive(name, `its compressed data is damaged or ends early (${printable(messageOf(error))})`)
  } finally {
    source.destroy()
    decoder.destroy()
  }
}

function bomb(name: ArchiveName, how: string): ProviderError {
  return new ProviderError('LIMIT_EXCEEDED', `Cannot use ${name}: it unpacks ${how}; build a smaller image`)
}
