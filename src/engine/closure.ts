import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import type { Cache } from '../oci/cache.ts'
import type { Log } from '../oci/environment.ts'
import type { Descriptor, Source } from '../oci/source.ts'

/** Something to be fetched and kept: a manifest or an index (`isDocument`), or a blob. */
export interface Piece extends Descriptor {
  readonly isDocument: boolean
  readonly source: Source
}

/** A line of a bundle's index.json; what has no name is found by its subject. */
export interface Listed extends Descriptor {
  readonly name?: string
  readonly artifactType?: string
}

/** All that some images need. */
export interface Closure {
  readonly pieces: Map<Digest, Piece>
  readonly listed: Listed[]
}

export interface CollectOptions {
  readonly cache: Cache
  /** Hears what is left out, and why. */
  readonly log: Log
  readonly signal?: AbortSignal
}

const maxPieces = 50_000

export function addPiece({ pieces }: Closure, piece: Piece): void {
  if (pieces.has(piece.digest)) return
  pieces.set(piece.digest, piece)
  if (pieces.size <= maxPieces) return
  throw new ProviderError(
    'LIMIT_EXCEEDED',
    `Cannot bundle so much: there are more than ${maxPieces} manifests and blobs; make a bundle of fewer images`,
  )
}

/** The same image by the same name is listed once. */
export function list({ listed }: Closure, entry: Listed): boolean {
  if (listed.some(({ digest, name }) => digest === entry.digest && name === entry.name)) return false
  listed.push(entry)
  return true
}
