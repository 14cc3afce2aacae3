import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { printable } from '../model/quote.ts'

const batchSize = 64 * 1024

/** Writes lines as fast as they are read, and no faster. */
export async function writeLines(output: Writable, lines: Iterable<string>): Promise<void> {
  let batch = ''
  const flush = async () => {
    if (batch !== '' && !output.write(batch)) await once(output, 'drain')
    batch = ''
  }
  for (const line of lines) {
    batch += `${line}\n`
    if (batch.length >= batchSize) await flush()
  }
  await flush()
}

/** Names and what belongs to each, one value a line, in two columns; without the names that have nothing. */
export function columns(rows: readonly (readonly [name: string, values: readonly string[]])[]): string[] {
  const told = rows.filter(([, values]) => values.length > 0)
  const width = Math.max(...told.map(([name]) => name.length)) + 2
  return told.flatMap(([name, values]) =>
    values.map((value, index) => `${(index === 0 ? name : '').padEnd(width)}${printable(value, 1000)}`),
  )
}
