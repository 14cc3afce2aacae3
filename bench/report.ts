import { type Contender, type Scenario, scenarios } from './contender.ts'
import type { Failure, Row, Sample } from './measure.ts'

interface Report {
  /** What was measured, where, and what was warm: lines for a person. */
  readonly conditions: readonly string[]
  readonly contenders: readonly Pick<Contender, 'name' | 'verified' | 'synced' | 'lacks' | 'missing'>[]
  readonly rows: readonly (Row & { readonly link: string })[]
  readonly failures: readonly (Failure & { readonly link: string })[]
}

/** For a person, a block for each scenario and link; for programs, the medians and every sample. */
export function formatTable(report: Report): { readonly text: string; readonly json: unknown } {
  const { conditions, contenders, failures } = report
  const rows = report.rows.map((row) => ({ ...row, median: medianOf(row.samples) }))
  const lines: string[][] = []
  for (const scenario of Object.keys(scenarios) as Scenario[]) {
    for (const link of new Set(rows.filter((row) => row.scenario === scenario).map((row) => row.link))) {
      lines.push([`${scenarios[scenario]}; ${link}`, ...head])
      for (const contender of contenders) {
        const row = rows.find(
          (one) => one.scenario === scenario && one.link === link && one.contender === contender.name,
        )
        const lack = contender.lacks?.[scenario]
        if (row) lines.push([`  ${contender.name}`, ...cells(row, contender)])
        else if (lack) lines.push([`  ${contender.name}`, ...head.slice(1).map(() => '-'), lack])
      }
      lines.push([])
    }
  }
  const notes = [
    ...contenders.flatMap(({ name, missing }) => (missing ? [`${name}: not measured: ${missing}`] : [])),
    ...failures.map(({ contender, link, message }) => `${contender}; ${link}: stopped: ${message.trim()}`),
  ]
  return {
    text: [...conditions, '', alignTable(lines, { right: [1, 2, 3, 4, 5, 6] }), ...notes, ''].join('\n'),
    json: {
      conditions,
      contenders: contenders.map(({ name, verified, synced, lacks, missing }) => ({
        name,
        verified,
        synced,
        lacks,
        missing,
      })),
      rows,
      failures,
    },
  }
}

const head = ['runs', 'seconds', 'processor', 'sent', 'received', 'memory', 'verified', 'synced', 'wrong files', 'how']

function cells(row: Row & { readonly median: Sample }, contender: Pick<Contender, 'verified' | 'synced'>): string[] {
  const { seconds, processor, sent, received, memory, wrong } = row.median
  // A no-op and a check write nothing, so nothing has to be on the disk.
  const writes = row.scenario !== 'noop' && row.scenario !== 'drift'
  return [
    String(row.samples.length),
    seconds.toFixed(2),
    processor.toFixed(2),
    ...[sent, received, memory].map(bytes),
    ...(writes ? [contender.verified, contender.synced] : ['-', '-']),
    wrong === undefined ? '-' : String(wrong),
    row.how,
  ]
}

/** @param options.right columns of figures */
export function alignTable(
  lines: readonly (readonly string[])[],
  { right }: { readonly right: readonly number[] },
): string {
  const columns = Math.max(0, ...lines.map((line) => line.length))
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  )
  const align = (cell: string, column: number) =>
    right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)
  return lines.map((line) => line.map(align).join('  ').trimEnd()).join('\n')
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

function medianOf(samples: readonly Sample[]): Sample {
  const of = (key: keyof Sample) => median(samples.map((sample) => sample[key] ?? 0))
  return {
    seconds: of('seconds'),
    processor: of('processor'),
    sent: of('sent'),
    received: of('received'),
    memory: of('memory'),
    ...(samples[0]?.wrong === undefined ? {} : { wrong: of('wrong') }),
  }
}

function bytes(count: number): string {
  if (count === 0) return '-'
  return count < 1e6 ? `${(count / 1e3).toFixed(0)} kB` : `${(count / 1e6).toFixed(1)} MB`
}
