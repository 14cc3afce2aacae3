import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { SeekableBytes } from '../archive/bytes.ts'
import { readArchive } from '../archive/read.ts'
import { type ArchiveName, unnamed } from '../archive/refuse.ts'
import { type Digest, digestFromHex } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { memberPath } from './entry.ts'

interface Found {
  readonly path: string
  readonly digest: Digest
  readonly size: number
  /** To be read, or left, before the next file is asked for. Its end is the proof that it has the digest. */
  readonly content: AsyncIterable<Buffer>
}

/**
 * The wanted files of a layer that {@link readLayer} has proven before, in the layer's order, with their contents
 * streaming: memory does not grow with a file, and the layer waits for who reads. Each content is proven once more
 * on its way, because the layer has lain on a disk meanwhile. A stream is destroyed in the end.
 *
 * @param wanted path in the layer → digest of its content
 * @throws ProviderError DIGEST_MISMATCH when a content is another one, or missing
 */
export async function* layerContents(
  tar: Readable | SeekableBytes,
  wanted: ReadonlyMap<string, Digest>,
  options: { readonly name?: ArchiveName; readonly signal?: AbortSignal } = {},
): AsyncIterable<Found> {
  const { name = unnamed, signal } = options
  let left = wanted.size
  if (left === 0) return void ('destroy' in tar && tar.destroy())
  for await (const { kind, path: text, size, body } of readArchive(tar, name)) {
    signal?.throwIfAborted()
    if (kind !== 'file') continue
    const path = attempt(text, name)
    const digest = wanted.get(path)
    if (digest === undefined) continue
    yield { path, digest, size, content: proven(body, digest, name) }
    left -= 1
    // What follows is not wanted, so nothing has to be decompressed any more.
    if (left === 0) return
  }
  throw changed(name, `${left} of its files are gone`)
}

function attempt(text: string, name: ArchiveName): string {
  try {
    return memberPath(text)
  } catch (error) {
    throw changed(name, `an entry ${messageOf(error)}`)
  }
}

async function* proven(body: AsyncIterable<Buffer>, digest: Digest, name: ArchiveName): AsyncIterable<Buffer> {
  const hash = createHash('sha256')
  for await (const bytes of body) {
    hash.update(bytes)
    yield bytes
  }
  const found = digestFromHex(hash.digest('hex'))
  if (found !== digest) throw changed(name, `a file has the digest ${found} instead of ${digest}`)
}

function changed(name: ArchiveName, how: string): ProviderError {
  return new ProviderError(
    'DIGEST_MISMATCH',
    `Cannot use ${name}: it was proven and is another one now, ${how}; run it again, it is fetched anew`,
  )
}
