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

/** `1.2 MB`: decimal, as disks and registries count. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)))
  const value = bytes / 1000 ** step
  return `${step === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[step]}`
}
