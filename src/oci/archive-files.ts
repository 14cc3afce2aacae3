import { type BigIntStats, constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { ByteReader, type SeekableBytes } from '../archive/bytes.ts'
import { decompress, isCompressed } from '../archive/decompress.ts'
import { fileBytes } from '../archive/file-bytes.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { type ArchiveIndex, findPlace, indexArchive, type Place } from './archive-index.ts'
import type { LayoutFiles, ReadOptions } from './layout-files.ts'
import { rememberByFile } from './remember.ts'

const bodyChunk = 256 * 1024
/** Headers lie far apart, and a chunk that holds one is mostly content that nobody wants. */
const headerChunk = 16 * 1024
/** The tar's own size. What follows its end is read as well, to be sure that it is nothing. */
const maxArchive = 64n * 1024n ** 3n

/** A tar's files. Nothing is unpacked: they are read where they lie. */
export interface ArchiveFiles extends LayoutFiles {
  readonly path: string
  /** Changes whenever the file does. */
  identity(): Promise<string>
  /** Where a file lies, and its first bytes. */
  find(path: string, options?: ReadOptions): Promise<Place | undefined>
}

/** One index a file and process, which all resources of a run share. */
const remember = rememberByFile<ArchiveIndex>()

/** @param path of a tar, which may be compressed with gzip or zstd; plain ones are read without detours */
export function archiveFiles(path: string, transport: 'oci-archive' | 'docker-archive'): ArchiveFiles {
  const name = `${transport}:${printable(path)}`
  const place = async (wanted: string, options: ReadOptions) => {
    const { identity, index } = await currentIndex({ path, name, ...options })
    return { identity, place: findPlace(index, wanted, name) }
  }
  return {
    name,
    path: resolve(path),
    identity: () => identify({ path, name }),
    find: async (wanted, options = {}) => (await place(wanted, options)).place,
    open: async (wanted, options = {}) => {
      const found = await place(wanted, options)
      if (found.place === undefined) return undefined
      const bytes = bytesAt({ ...found.place, identity: found.identity }, { path, name, ...options })
      return {
        size: found.place.size,
        bytes: Readable.from(bytes, { objectMode: false, highWaterMark: bodyChunk }),
      }
    },
  }
}

async function currentIndex(where: Where): Promise<{ identity: string; index: ArchiveIndex }> {
  const identity = await identify(where)
  const index = await remember(resolve(where.path), identity, () => makeIndex(where, identity))
  where.signal?.throwIfAborted()
  return { identity, index }
}

async function makeIndex(where: Where, identity: string): Promise<ArchiveIndex> {
  const archive = await openArchive(where, { chunk: headerChunk })
  try {
    const index = await indexArchive(archive.bytes, where.name, where)
    if (archive.identity !== identity) throw changed(where.name)
    return index
  } finally {
    await archive.close()
  }
}

interface Where extends ReadOptions {
  readonly path: string
  readonly name: string
}

/** One member's content. That it is what was wanted is proven by its digest; here only that the file stayed the same. */
async function* bytesAt(place: Place & { readonly identity: string }, where: Where): AsyncIterable<Buffer> {
  const archive = await openArchive(where, { chunk: bodyChunk })
  try {
    if (archive.identity !== place.identity) throw changed(where.name)
    const reader = new ByteReader(archive.bytes)
    await reader.skip(place.offset)
    for (let left = place.size; left > 0; ) {
      where.signal?.throwIfAborted()
      const chunk = await reader.some(left)
      if (chunk === undefined) throw changed(where.name)
      left -= chunk.length
      yield chunk
    }
    if ((await identify(where)) !== place.identity) throw changed(where.name)
  } finally {
    await archive.close()
  }
}

interface OpenArchive {
  readonly identity: string
  /** Uncompressed. */
  readonly bytes: AsyncIterable<Buffer> | SeekableBytes
  close(): Promise<void>
}

async function openArchive({ path, name, signal }: Where, { chunk }: { chunk: number }): Promise<OpenArchive> {
  // A FIFO would wait for a writer for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw unopened(name, error)
  })
  try {
    const found = await file.stat({ bigint: true })
    const identity = identityOf(found, name)
    const magic = Buffer.alloc(4)
    await file.read(magic, 0, 4, 0)
    if (!isCompressed(magic))
      return { identity, bytes: fileBytes(file, Number(found.size), { chunk }), close: () => file.close() }
    // The stream closes the file, after the read that may be under way.
    const plain = decompress(file.createReadStream({ start: 0, highWaterMark: 1024 * 1024 }), { name })
    return { identity, bytes: watched(plain, signal), close: async () => void plain.destroy() }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function* watched(bytes: Readable, signal: AbortSignal | undefined): AsyncIterable<Buffer> {
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    signal?.throwIfAborted()
    yield chunk
  }
}

async function identify({ path, name }: Where): Promise<string> {
  const found = await stat(path, { bigint: true }).catch((error: unknown) => {
    throw unopened(name, error)
  })
  return identityOf(found, name)
}

function identityOf(found: BigIntStats, name: string): string {
  if (found.size > maxArchive)
    throw new ProviderError(
      'LIMIT_EXCEEDED',
      `Cannot use ${name}: it is larger than 64 GiB; copy fewer images into one`,
    )
  if (found.isFile()) return [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ')
  const what = found.isDirectory() ? 'a folder; write oci:DIR for a layout' : 'no file; give the path of an archive'
  throw new ProviderError('NOT_FOUND', `Cannot read ${name}: it is ${what}`)
}

function unopened(name: string, error: unknown): ProviderError {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new ProviderError(
      'NOT_FOUND',
      `Cannot find ${name}: there is no such file; check the path, relative ones start at the program's folder`,
    )
  return new ProviderError('NOT_FOUND', `Cannot read ${name}: ${printable(messageOf(error))}`)
}

function changed(name: string): ProviderError {
  return new ProviderError('NOT_FOUND', `Cannot read ${name}: it was replaced while it was read; run it again`)
}
