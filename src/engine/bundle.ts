import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Member, packTar } from '../archive/pack.ts'
import { digestFromHex, hexOf } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { digestOfFile } from '../oci/hash.ts'
import { verify } from '../oci/verify.ts'
import { bundleIndex } from './bundle-index.ts'
import type { Closure, CollectOptions, Piece } from './closure.ts'
import { fetchBlobs } from './layers.ts'

const layout = Buffer.from('{"imageLayoutVersion":"1.0.0"}')

/**
 * Writes one OCI archive, whole or not at all: the same images give the same bytes. A file that is there is replaced
 * only when it is a bundle, and another one.
 *
 * @returns its size, and whether it is the one that was there
 */
export async function writeBundle(
  path: string,
  closure: Closure,
  options: CollectOptions,
): Promise<{ readonly size: number; readonly isUnchanged: boolean }> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`)
  await refuseOther(path)
  const hash = createHash('sha256')
  const blobs = [...closure.pieces.values()].filter(({ isDocument }) => !isDocument)
  await fetchBlobs(blobs, options).all()
  try {
    const output = createWriteStream(temporary, { flags: 'wx', flush: true })
    const bytes = packTar(members(closure, options))
    bytes.on('data', (chunk) => hash.update(chunk))
    await pipeline(bytes, output, options.signal ? { signal: options.signal } : {})
    const { size } = await stat(temporary)
    const former = await stat(path).catch(() => undefined)
    const isUnchanged =
      former?.size === size && (await digestOfFile(path, options.signal)) === digestFromHex(hash.digest('hex'))
    if (!isUnchanged) await rename(temporary, path)
    return { size, isUnchanged }
  } catch (error) {
    options.signal?.throwIfAborted()
    throw error instanceof ProviderError ? error : unwritable(path, error)
  } finally {
    await rm(temporary, { force: true }).catch(() => {})
  }
}

async function* members(closure: Closure, options: CollectOptions): AsyncIterable<Member> {
  const index = Buffer.from(JSON.stringify(bundleIndex(closure.listed, options.log)))
  yield file('oci-layout', layout.length, layout)
  yield file('index.json', index.length, index)
  yield { kind: 'directory', path: 'blobs' }
  yield { kind: 'directory', path: 'blobs/sha256' }
  for (const piece of [...closure.pieces.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1)))
    yield file(`blobs/sha256/${hexOf(piece.digest)}`, piece.size, contentOf(piece, options))
}

function file(path: string, size: number, content: Buffer | AsyncIterable<Uint8Array>): Member {
  return { kind: 'file', path, size, executable: false, content }
}

/** Proven once more on its way: it has lain on a disk since it came. */
async function* contentOf(piece: Piece, { cache, signal }: CollectOptions): AsyncIterable<Uint8Array> {
  const by = signal ? { signal } : {}
  // Proven as it is read.
  if (piece.isDocument) return yield await cache.manifest(piece.source, piece.digest, by)
  const opened = await cache.open(piece.source, piece, by)
  const bytes = opened.createReadStream({ highWaterMark: 256 * 1024 })
  const proven = verify(piece, { source: piece.source.name })
  bytes.once('error', (error) => proven.destroy(error))
  try {
    yield* bytes.pipe(proven) as AsyncIterable<Uint8Array>
  } finally {
    bytes.destroy()
  }
}

/** Our archives begin alike, so what begins otherwise is somebody's something else. */
async function refuseOther(path: string): Promise<void> {
  const there = await open(path).catch(() => undefined)
  if (there === undefined) return
  const first = Buffer.alloc(512)
  try {
    const ours = Buffer.concat(await packTar([file('oci-layout', layout.length, layout)]).toArray())
    if ((await there.stat()).isFile() && (await there.read(first, 0, 512, 0)).bytesRead === 512)
      if (first.equals(ours.subarray(0, 512))) return
  } finally {
    await there.close()
  }
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot write ${printable(path)}: something else is there, which is no bundle; choose another name with -o, or remove it`,
  )
}

function unwritable(path: string, error: unknown): ProviderError {
  const { code } = error as NodeJS.ErrnoException
  const isFull = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG'
  return new ProviderError(
    isFull ? 'NO_SPACE' : 'BAD_INPUT',
    `Cannot write ${printable(path)}: ${isFull ? 'the disk is full' : printable(messageOf(error))}; choose another place with -o`,
    { cause: error },
  )
}
