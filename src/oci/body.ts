import { ProviderError } from '../model/error.ts'
import type { Answer } from './client.ts'
import { unreachable } from './failure.ts'

/**
 * An answer's body as bytes; one that is larger than `limit` is an error, and the connection is given up.
 *
 * @throws ProviderError LIMIT_EXCEEDED; REGISTRY_FAILED when it breaks off or stalls
 */
export async function readBody({ body, url }: Answer, limit: number, name: string): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limit)
        throw new ProviderError(
          'LIMIT_EXCEEDED',
          `Cannot read from ${name}: an answer is larger than ${limit} bytes; ask who runs the registry`,
        )
      chunks.push(chunk)
    }
  } catch (error) {
    // Whoever aborted has a reason of his own.
    if (error instanceof ProviderError || (error as Error).name === 'AbortError') throw error
    throw unreachable(name, url.host, error)
  }
  return Buffer.concat(chunks)
}
