import type { FileHandle } from 'node:fs/promises'
import type { SeekableBytes } from './bytes.ts'

/**
 * A file's bytes, which may be passed over without being read.
 *
 * @param options.chunk how many bytes are read at once
 */
export function fileBytes(file: FileHandle, size: number, options: { readonly chunk: number }): SeekableBytes {
  let position = 0
  const read = async function* () {
    while (position < size) {
      const buffer = Buffer.allocUnsafe(Math.min(options.chunk, size - position))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }
  return {
    skip: (count) => {
      const skipped = Math.min(count, size - position)
      position += skipped
      return skipped
    },
    [Symbol.asyncIterator]: read,
  }
}
