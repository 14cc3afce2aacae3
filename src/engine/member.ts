import type { Digest } from '../model/digest.ts'
import type { Tree } from '../model/tree.ts'
import type { Record } from './record.ts'

/** A file's bytes, on their way from an image to a host. */
export interface Content {
  readonly digest: Digest
  readonly size: number
  /** To be read before the next file is asked for. */
  readonly content: AsyncIterable<Buffer>
}

/** An image, read and placed: what converge needs of it to make it part of an instance. */
export interface LoadedMember {
  readonly digest: Digest
  /** `name@sha256:…`. */
  readonly image: string
  readonly platform: string
  readonly tree: Tree
  readonly treeDigest: Digest
  readonly major: number | undefined
  /** Only a distribution has one. */
  readonly layout: Record['layout'] | undefined
  /** The wanted files, in the image's order; each once. */
  contents(wanted: ReadonlySet<Digest>, options: { signal?: AbortSignal }): AsyncIterable<Content>
}
