import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { type Digest, digestFromHex } from '../model/digest.ts'

/** The digest of a file's content. One buffer for all of it: streams would leave as much garbage as the file is long. */
export async function digestOfFile(path: string, signal: AbortSignal | undefined): Promise<Digest> {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(256 * 1024)
  const file = await open(path)
  try {
    for (let { bytesRead } = await file.read(buffer); bytesRead > 0; { bytesRead } = await file.read(buffer)) {
      signal?.throwIfAborted()
      hash.update(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
  return digestFromHex(hash.digest('hex'))
}
