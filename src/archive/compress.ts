import type { Readable } from 'node:stream'
import { constants, createZstdCompress } from 'node:zlib'

// The default of 16 KiB a chunk costs a fifth of the whole stream's processor time (npm run bench, cold install).
const chunkSize = 256 * 1024

/** Compresses a stream on its way to a host: zstd, at its quickest. Destroying what is returned destroys `input`. */
export function compress(input: Readable): Readable {
  const output = createZstdCompress({ chunkSize, params: { [constants.ZSTD_c_compressionLevel]: 1 } })
  input.once('error', (error) => output.destroy(error))
  // A host that stops reading would leave the input open, and the files that it reads.
  output.once('close', () => input.destroy())
  return input.pipe(output)
}
