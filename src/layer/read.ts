import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { readArchive } from '../archive/read.ts'
import { type ArchiveName, refuseEntry, unnamed } from '../archive/refuse.ts'
import { type Digest, digestFromHex } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { Budget } from './budget.ts'
import { type LayerEntry, type Special, toEntry, type UnreadEntry } from './entry.ts'

export interface ReadLayerOptions {
  /** Digest of the uncompressed stream, from the image's config; artifacts have none. */
  readonly diffId?: Digest | undefined
  readonly special: Special
  /** Shared by the layers of an image; a fresh one by default. */
  readonly budget?: Budget
  /** For messages: `layer 2 of ghcr.io/acme/pgvector@sha256:…`. */
  readonly name?: ArchiveName
  readonly signal?: AbortSignal
}

/**
 * Reads an uncompressed layer to its last byte and returns its entries, in order. Memory does not grow with the
 * layer's bytes, and `tar` is destroyed in the end. Resolving means that the stream has the digest `diffId` and no
 * entry had a shape that we refuse.
 *
 * @throws ProviderError LAYER_REFUSED, LIMIT_EXCEEDED, BAD_IMAGE, DIGEST_MISMATCH
 */
export async function readLayer(tar: Readable, options: ReadLayerOptions): Promise<LayerEntry[]> {
  const { special, budget = new Budget(), name = unnamed, signal } = options
  const entries: LayerEntry[] = []
  const seen = new Map<string, LayerEntry['kind']>()
  const whole = createHash('sha256')
  const hashed = async function* () {
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      signal?.throwIfAborted()
      budget.unpack(chunk.length, name)
      whole.update(chunk)
      yield chunk
    }
  }
  for await (const member of readArchive(hashed(), name)) {
    budget.take(member, name)
    const entry = toEntry(member, special, name)
    if (entry === undefined) continue
    refuseTwice(seen, entry, name)
    entries.push('size' in entry ? { ...entry, digest: await digestOfBody(member.body) } : entry)
  }
  const found = digestFromHex(whole.digest('hex'))
  if (options.diffId === undefined || found === options.diffId) return entries
  throw new ProviderError(
    'DIGEST_MISMATCH',
    `Cannot use ${name}: unpacked it has the digest ${found}, its config says ${options.diffId}; the image is damaged or forged, push it again`,
  )
}

/** A layer must not name a path twice (layer.md, "Creating"), but real ones repeat directories, which is harmless. */
function refuseTwice(seen: Map<string, LayerEntry['kind']>, entry: UnreadEntry, name: ArchiveName): void {
  const key = entry.kind === 'opaque' || entry.kind === 'whiteout' ? `${entry.path}\0${entry.kind}` : entry.path
  const before = seen.get(key)
  if (before !== undefined && !(before === 'directory' && entry.kind === 'directory'))
    throw refuseEntry(name, entry.path, 'is there twice', 'build the image again, each path once a layer')
  seen.set(key, entry.kind)
}

async function digestOfBody(body: AsyncIterable<Buffer>): Promise<Digest> {
  const hash = createHash('sha256')
  for await (const bytes of body) hash.update(bytes)
  return digestFromHex(hash.digest('hex'))
}
