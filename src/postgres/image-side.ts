import type { Tree } from '../model/tree.ts'
import type { Sorting } from './collation.ts'
import type { ImageFacts } from './facts.ts'

/** One of two images that are compared, as far as it is known. */
export interface ImageSide {
  /** Its files below `live/` and `root/`; absent where nobody has it at hand. */
  readonly tree?: Tree | undefined
  /** What its bytes say; absent where only its record is known. */
  readonly facts?: ImageFacts | undefined
  /** Of a distribution. */
  readonly server?: (Sorting & { readonly version: string; readonly major: number }) | undefined
  /** The Postgres that an extension's modules are built for. */
  readonly major?: number | undefined
  /** What `CREATE EXTENSION` can create. */
  readonly provides: Readonly<Record<string, { readonly version: string; readonly requires: readonly string[] }>>
}
