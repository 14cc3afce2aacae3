import type { Readable } from 'node:stream'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { maxDocument } from './source.ts'

/** A file that is there. Whoever opened it reads `bytes` to the end or destroys it. */
interface OpenFile {
  readonly size: number
  readonly bytes: Readable
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined
}

/** The files of an image layout, wherever they lie: in a folder or in an archive. They may change at any time. */
export interface LayoutFiles {
  /** For messages: `oci:./images`, `oci-archive:bundle.tar`. */
  readonly name: string
  /**
   * @param path within the layout: `blobs/sha256/…`
   * @returns `undefined` when there is no such file
   */
  open(path: string, options?: ReadOptions): Promise<OpenFile | undefined>
}

/** A small file whole: an index, a manifest, a config. `undefined` when there is none. */
export async function readDocument(
  files: LayoutFiles,
  path: string,
  options: ReadOptions = {},
): Promise<Buffer | undefined> {
  const file = await files.open(path, options)
  if (file === undefined) return undefined
  const chunks: Buffer[] = []
  let size = 0
  try {
    // One that grows while it is read is no smaller for what it had announced.
    if (file.size <= maxDocument)
      for await (const chunk of file.bytes as AsyncIterable<Buffer>) {
        chunks.push(chunk)
        size += chunk.length
        if (size > maxDocument) break
      }
  } catch (error) {
    options.signal?.throwIfAborted()
    if (error instanceof ProviderError) throw error
    throw unreadable(path, files.name, error)
  } finally {
    file.bytes.destroy()
  }
  if (Math.max(size, file.size) <= maxDocument) return Buffer.concat(chunks)
  throw new ProviderError(
    'LIMIT_EXCEEDED',
    `Cannot read ${printable(path)} in ${files.name}: it is larger than 4 MiB, so it is no manifest; copy the image again`,
  )
}

/** The disk, or its permissions, and not what the file holds. */
export function unreadable(path: string, name: string, error: unknown): ProviderError {
  return new ProviderError(
    'NOT_FOUND',
    `Cannot read ${printable(path)} in ${name}: ${printable(messageOf(error))}; check who may read it, or copy the image again`,
  )
}
