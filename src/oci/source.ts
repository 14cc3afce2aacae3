import type { Readable } from 'node:stream'
import type { Digest } from '../model/digest.ts'

/** What a manifest or an index says of a blob: enough to fetch it and to prove it. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

/** A manifest or index as it came: raw bytes are kept, because their digest is their identity. */
export interface RawManifest {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/**
 * Where images come from: a registry, a layout on disk, later archives and mirrors. A source is bound to one
 * repository. It transports; {@link ImageStore} proves what it transported.
 */
export interface Source {
  /** For messages: `ghcr.io/acme/pgvector`, `oci:./images`. */
  readonly name: string
  /** The manifest or index behind a tag (HEAD or GET). NOT_FOUND names the tag. */
  resolve(tag: string | undefined, options?: { signal?: AbortSignal }): Promise<Descriptor>
  /** The bytes of a manifest or index. At most 4 MiB. */
  manifest(digest: Digest, options?: { signal?: AbortSignal }): Promise<RawManifest>
  /** The bytes of a blob, unverified. */
  blob(descriptor: Descriptor, options?: { signal?: AbortSignal }): Promise<Readable>
}
