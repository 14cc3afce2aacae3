import type { ProviderError } from '../../src/model/error.ts'
import { archiveReaders } from './archives.ts'
import { documentReaders } from './documents.ts'
import { fileReaders } from './files.ts'
import { hostReaders } from './hosts.ts'
import { textReaders } from './texts.ts'

/** One of our readers of bytes that others wrote. */
export interface Reader {
  readonly name: string
  /** What it reads without complaint. */
  readonly samples: readonly Buffer[]
  readonly read: (input: Buffer) => unknown
  /** The one kind of error that it may throw; none, if it says nothing. */
  readonly throws?: typeof SyntaxError | typeof ProviderError
}

export const readers: readonly Reader[] = [
  ...fileReaders,
  ...textReaders,
  ...documentReaders,
  ...hostReaders,
  ...archiveReaders,
]
