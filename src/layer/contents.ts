import { once } from 'node:events'
import { Readable } from 'node:stream'
import { Parser, type ReadEntry } from 'tar'
import { parseTreePath } from '../model/tree.ts'

/**
 * The wanted files of a layer that was read and proven before, in the layer's order. Each content must be consumed
 * before the next is asked for.
 */
export async function* layerContents(
  tar: Readable,
  wanted: ReadonlySet<string>,
): AsyncIterable<{ readonly path: string; readonly size: number; readonly content: Readable }> {
  const ready: ReadEntry[] = []
  let wake = () => {}
  let done = false
  let failure: unknown
  const parser = new Parser({
    onReadEntry: (entry) => {
      if (!wanted.has(parseTreePath(entry.path))) return entry.resume()
      ready.push(entry)
      wake()
    },
  })
  const pump = (async () => {
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      if (!parser.write(chunk)) await once(parser, 'drain')
    }
    parser.end()
  })()
    .catch((error) => {
      failure = error
    })
    .finally(() => {
      done = true
      wake()
    })
  let left = wanted.size
  try {
    while (left > 0) {
      const entry = ready.shift()
      if (entry === undefined) {
        if (done) break
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      left -= 1
      yield { path: parseTreePath(entry.path), size: entry.size, content: Readable.from(entry as AsyncIterable<Buffer>, { objectMode: false }) }
    }
    if (left === 0) return
    await pump
    if (failure) throw failure
  } finally {
    tar.destroy()
  }
}
