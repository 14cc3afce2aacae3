import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { type ArchiveIndex, findPlace, indexArchive, type Place } from './archive-index.ts'
import { cursorOf, keepCursor, takeCursor } from './cursors.ts'
import type { LayoutFiles, ReadOptions } from './layout-files.ts'
import { identify, openArchive, type Where } from './open-archive.ts'
import { rememberByFile } from './remember.ts'

const bodyChunk = 256 * 1024
/** Headers lie far apart, and a chunk that holds one is mostly content that nobody wants. */
const headerChunk = 16 * 1024
/** How much is decompressed before somebody looks whether it is still wanted. */
const skipChunk = 16 * 1024 ** 2

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
      const { size, head } = found.place
      const bytes =
        head.length === size
          ? [head]
          : bytesAt({ ...found.place, identity: found.identity }, { path, name, ...options })
      return { size, bytes: Readable.from(bytes, { objectMode: false, highWaterMark: bodyChunk }) }
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
  const { signal } = where
  const archive = await openArchive(where, { chunk: headerChunk })
  try {
    const bytes = archive.compressed ? watched(archive.bytes, signal) : archive.bytes
    const index = await indexArchive(bytes, where.name, { keepSmall: archive.compressed, signal })
    if (archive.identity !== identity) throw changed(where.name)
    return index
  } finally {
    await archive.close()
  }
}

async function* watched(bytes: AsyncIterable<Buffer>, signal: AbortSignal | undefined): AsyncIterable<Buffer> {
  for await (const chunk of bytes) {
    signal?.throwIfAborted()
    yield chunk
  }
}

/** One member's content. That it is what was wanted is proven by its digest; here only that the file stayed the same. */
async function* bytesAt(place: Place & { readonly identity: string }, where: Where): AsyncIterable<Buffer> {
  const { path, name, signal } = where
  const cursor = takeCursor(path, place) ?? cursorOf(await openArchive(where, { chunk: bodyChunk }))
  let ended = false
  try {
    if (cursor.identity !== place.identity) throw changed(name)
    for (let left = place.offset - cursor.reader.position; left > 0; ) {
      signal?.throwIfAborted()
      const skipped = await cursor.reader.skip(cursor.compressed ? Math.min(left, skipChunk) : left)
      if (skipped === 0) throw changed(name)
      left -= skipped
    }
    for (let left = place.size; left > 0; ) {
      signal?.throwIfAborted()
      const chunk = await cursor.reader.some(left)
      if (chunk === undefined) throw changed(name)
      left -= chunk.length
      yield chunk
    }
    if ((await identify(where)) !== place.identity) throw changed(name)
    ended = true
  } finally {
    if (ended && cursor.compressed) await keepCursor(path, cursor)
    else await cursor.close()
  }
}

function changed(name: string): ProviderError {
  return new ProviderError('NOT_FOUND', `Cannot read ${name}: it was replaced while it was read; run it again`)
}
