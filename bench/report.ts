import { type Contender, scenarios } from './contender.ts'
import type { Row, Sample } from './measure.ts'

export interface Report {
  /** What was measured, where, and what was warm: lines for a person. */
  readonly conditions: readonly string[]
  readonly contenders: readonly Pick<Contender, 'name' | 'verified' | 'synced' | 'missing'>[]
  readonly rows: readonly Row[]
}

/** For programs: the medians, and every sample. */
export function formatJson({ conditions, contenders, rows }: Report): string {
  const summary = contenders.map(({ name, verified, synced, missing }) => ({ name, verified, synced, missing }))
  const medians = rows.map((row) => ({ ...row, median: medianOf(row.samples) }))
  return `${JSON.stringify({ conditions, contenders: summary, rows: medians }, undefined, 2)}\n`
}

/** For a person: a block for each scenario. */
export function formatTable({ conditions, contenders, rows }: Report): string {
  const head = ['', 'seconds', 'sent', 'received', 'memory', 'verified', 'synced', 'wrong files', 'how']
  const lines: string[][] = []
  for (const [scenario, title] of Object.entries(scenarios)) {
    lines.push([title, ...head.slice(1)])
    for (const contender of contenders) {
      const row = rows.find((one) => one.scenario === scenario && one.contender === contender.name)
      if (!row) continue
      const { seconds, sent, received, memory, wrong } = medianOf(row.samples)
      // A no-op and a check write nothing, so nothing has to be on the disk.
      const writes = scenario !== 'noop' && scenario !== 'drift'
      lines.push([
        `  ${contender.name}`,
        seconds.toFixed(2),
        ...[sent, received, memory].map(bytes),
        ...(writes ? [contender.verified, contender.synced] : ['-', '-']),
        wrong === undefined ? '-' : String(wrong),
        row.how,
      ])
    }
    lines.push([])
  }
  const table = alignTable(lines, { right: [1, 2, 3, 4] })
  const missing = contenders.flatMap(({ name, missing }) => (missing ? [`${name}: not measured, ${missing}`] : []))
  return [...conditions, '', table, ...missing, ''].join('\n')
}

/** @param options.right columns of figures */
export function alignTable(
  lines: readonly (readonly string[])[],
  { right }: { readonly right: readonly number[] },
): string {
  const columns = Math.max(...lines.map((line) => line.length))
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  )
  const align = (cell: string, column: number) =>
    right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)
  return lines.map((line) => line.map(align).join('  ').trimEnd()).join('\n')
}

function medianOf(samples: readonly Sample[]): Sample {
  const median = (key: keyof Sample) => {
    const sorted = samples.map((sample) => sample[key] ?? 0).sort((a, b) => a - b)
    const middle = sorted.length >> 1
    return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
  }
  const wrong = samples[0]?.wrong === undefined ? {} : { wrong: median('wrong') }
  return {
    seconds: median('seconds'),
    sent: median('sent'),
    received: median('received'),
    memory: median('memory'),
    ...wrong,
  }
}

function bytes(count: number): string {
  if (count === 0) return '-'
  return count < 1e6 ? `${(count / 1e3).toFixed(0)} kB` : `${(count / 1e6).toFixed(1)} MB`
}
