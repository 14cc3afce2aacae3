import { type BigIntStats, constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { SeekableBytes } from '../archive/bytes.ts'
import { decompress, isCompressed } from '../archive/decompress.ts'
import { fileBytes } from '../archive/file-bytes.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import type { ReadOptions } from './layout-files.ts'

/** What follows the end of a tar is read as well, to be sure that it is nothing. */
const maxArchive = 64n * 1024n ** 3n

/** What somebody may take for a tar, by its first bytes. */
const otherKinds: Readonly<Record<string, string>> = {
  '\xfd7zX': 'compressed with xz',
  BZh: 'compressed with bzip2',
  'PK\x03\x04': 'a ZIP archive',
}

/** An archive's file; `name` is for messages. */
export interface Where extends ReadOptions {
  readonly path: string
  readonly name: string
}

export interface OpenArchive {
  readonly identity: string
  /** Whether its bytes can only be had from the beginning on. */
  readonly compressed: boolean
  /** Uncompressed. */
  readonly bytes: AsyncIterable<Buffer> | SeekableBytes
  close(): Promise<void>
}

/** @param options.chunk how many bytes of a plain archive are read at once */
export async function openArchive({ path, name }: Where, options: { readonly chunk: number }): Promise<OpenArchive> {
  // A FIFO would wait for a writer for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw unopened(name, error)
  })
  try {
    const found = await file.stat({ bigint: true })
    const identity = identityOf(found, name)
    const magic = Buffer.alloc(4)
    await file.read(magic, 0, 4, 0)
    const other = otherKinds[magic.toString('latin1')] ?? otherKinds[magic.toString('latin1', 0, 3)]
    if (other !== undefined)
      throw new ProviderError('BAD_IMAGE', `Cannot read ${name}: it is ${other}; make it plain, or use gzip or zstd`)
    if (!isCompressed(magic)) {
      const bytes = fileBytes(file, Number(found.size), options)
      return { identity, compressed: false, bytes, close: () => file.close() }
    }
    // The stream closes the file, after the read that may be under way.
    const bytes = decompress(file.createReadStream({ start: 0, highWaterMark: 1024 * 1024 }), { name })
    return { identity, compressed: true, bytes, close: async () => void bytes.destroy() }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Changes whenever the file does: replaced, rewritten, or only touched. */
export async function identify({ path, name }: Where): Promise<string> {
  const found = await stat(path, { bigint: true }).catch((error: unknown) => {
    throw unopened(name, error)
  })
  return identityOf(found, name)
}

function identityOf(found: BigIntStats, name: string): string {
  if (found.size > maxArchive)
    throw new ProviderError(
      'LIMIT_EXCEEDED',
      `Cannot use ${name}: it is larger than 64 GiB; copy fewer images into one`,
    )
  if (found.isFile()) return [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ')
  const what = found.isDirectory() ? 'a folder; write oci:DIR for a layout' : 'no file; give the path of an archive'
  throw new ProviderError('NOT_FOUND', `Cannot read ${name}: it is ${what}`)
}

function unopened(name: string, error: unknown): ProviderError {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new ProviderError(
      'NOT_FOUND',
      `Cannot find ${name}: there is no such file; check the path, relative ones start at the program's folder`,
    )
  return new ProviderError('NOT_FOUND', `Cannot read ${name}: ${printable(messageOf(error))}`)
}
