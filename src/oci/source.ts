import type { Readable } from 'node:stream'
import type { Digest } from '../model/digest.ts'

/** What a manifest or an index says of a blob: enough to fetch it and to prove it. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

/** A manifest that says it is about another one: a signature, an attestation, an SBOM. */
export interface Referrer extends Descriptor {
  readonly artifactType?: string
}

/** Manifests, indexes and configs: what the specification asks clients to take, and every large client's limit. */
export const maxDocument = 4 * 1024 * 1024

/**
 * Where images come from: a registry, a layout in a folder, an archive.
 * A source is bound to one repository, and so are its credentials. It only transports, and nobody trusts it: the
 * cache proves what came before anything reads it.
 */
export interface Source {
  /** Where the same bytes may be had as well: asked before this one, in order, and by digest only. */
  readonly mirrors?: readonly Source[]
  /** For messages: `ghcr.io/acme/pgvector`, `oci:./images`. */
  readonly name: string
  /** The digest of the manifest or index behind a tag; NOT_FOUND names the tag and what there is. */
  resolve(tag: string | undefined, options?: { signal?: AbortSignal }): Promise<{ readonly digest: Digest }>
  /** All tags, in no order; NOT_FOUND where there is no such repository. */
  tags(options?: { signal?: AbortSignal }): Promise<readonly string[]>
  /** The raw bytes of a manifest or index, unverified; at most {@link maxDocument}. */
  manifest(digest: Digest, options?: { signal?: AbortSignal }): Promise<Uint8Array>
  /** The bytes of a blob, unverified. Whatever interrupts it, no byte comes twice or is left out. */
  blob(descriptor: Descriptor, options?: { signal?: AbortSignal }): Promise<Readable>
  /**
   * Manifests that say they are about this one, by `subject` or by cosign's tags (`sha256-HEX.sig`). The list is
   * nobody's proof: each must be fetched and its subject compared.
   */
  referrers(digest: Digest, options?: { signal?: AbortSignal }): Promise<readonly Referrer[]>
}
