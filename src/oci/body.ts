import { ProviderError } from '../model/error.ts'

/** A body as bytes; one that is larger than `limit` is an error, and the connection is given up. */
export async function readBody(body: AsyncIterable<Buffer>, limit: number, name: string): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > limit)
      throw new ProviderError(
        'LIMIT_EXCEEDED',
        `Cannot read from ${name}: an answer is larger than ${limit} bytes; ask who runs the registry`,
      )
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
