import { Readable } from 'node:stream'
import { Parser, type ReadEntry } from 'tar'
import { parseTreePath } from '../model/tree.ts'

interface Found {
  readonly path: string
  readonly size: number
  readonly content: Readable
}

/**
 * The wanted files of a layer that was read and proven before, in the layer's order. Holds the files of one chunk
 * of the layer in memory, and at least one whole file.
 */
export async function* layerContents(tar: Readable, wanted: ReadonlySet<string>): AsyncIterable<Found> {
  const ready: Found[] = []
  const parser = new Parser({
    onReadEntry: (entry: ReadEntry) => {
      const path = parseTreePath(entry.path)
      if (!wanted.has(path)) return entry.resume()
      const chunks: Buffer[] = []
      entry.on('data', (chunk: Buffer) => chunks.push(chunk))
      entry.on('end', () =>
        ready.push({ path, size: entry.size, content: Readable.from(chunks, { objectMode: false }) }),
      )
    },
  })
  let left = wanted.size
  for await (const chunk of tar as AsyncIterable<Buffer>) {
    parser.write(chunk)
    for (const found of ready.splice(0)) {
      left -= 1
      yield found
    }
    if (left === 0) return
  }
  parser.end()
  yield* ready
}
