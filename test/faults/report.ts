import type { Point } from './attack.ts'
import { seed } from './chance.ts'
import type { Column } from './columns.ts'
import type { Fault } from './faults.ts'

interface Row {
  /** Column → how often the point was met. */
  readonly hits: Map<string, number>
  violations: number
}

/** Counts what was injected and what was found, to be printed at the end. */
export class Report {
  private readonly rows = new Map<string, Row>()
  private readonly columns = new Set<string>()
  /** Fault → points that its change passes, and those of them where it was met. */
  private readonly points = new Map<string, { readonly passed: Set<number>; readonly met: Set<number> }>()
  private readonly begun = Date.now()
  met = 0
  missed = 0

  /** Lines or members that an undisturbed change passes. */
  pass(fault: Fault, points: readonly number[]): void {
    for (const point of points) this.pointsOf(fault).passed.add(point)
  }

  add(
    fault: Fault,
    column: Column,
    injection: { readonly point: Point; readonly isHit: boolean; readonly wrongs: readonly string[] },
  ): void {
    this.columns.add(column.name)
    if (injection.isHit) this.met += 1
    else this.missed += 1
    const row = this.rows.get(fault.name) ?? { hits: new Map(), violations: 0 }
    this.rows.set(fault.name, row)
    if (injection.isHit) row.hits.set(column.name, (row.hits.get(column.name) ?? 0) + 1)
    const { point } = injection
    if (injection.isHit && !('share' in point))
      this.pointsOf(fault).met.add('line' in point ? point.line : point.member)
    if (injection.wrongs.length > 0) row.violations += 1
  }

  /** What was done so far, in a line. */
  rowOf({ name }: Fault, column: Column): string {
    const row = this.rows.get(name)
    return `${name}, ${column.name}: ${row?.hits.get(column.name) ?? 0} injections; ${row?.violations ?? 0} violations on all hosts so far`
  }

  /** A table of the injections that met their point, with sums. */
  toString(): string {
    const columns = [...this.columns]
    const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, one) => total + one, 0)
    const hits = (column: string) => sum([...this.rows.values()].map((row) => row.hits.get(column) ?? 0))
    const violations = sum([...this.rows.values()].map((row) => row.violations))
    const all = sum(columns.map(hits))
    const table = [
      ['', ...columns, 'all', 'violations'],
      ...[...this.rows].map(([name, row]) => [
        name,
        ...columns.map((one) => row.hits.get(one) ?? '-'),
        sum(row.hits.values()),
        row.violations,
      ]),
      ['all', ...columns.map(hits), all, violations],
    ].map((cells) => cells.map(String))
    const widths = (table[0] ?? []).map((_, at) => Math.max(...table.map((cells) => cells[at]?.length ?? 0)))
    const lines = table.map((cells) =>
      cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
    )
    const shares = [...this.points]
      .filter(([name]) => /^shell killed|between members/.test(name))
      .map(([name, { met, passed }]) => `${name}: at ${met.size} of ${passed.size} points`)
    const minutes = Math.round((Date.now() - this.begun) / 60_000)
    return [
      '',
      ...lines,
      ...shares,
      `${all} injections in ${minutes} minutes, ${violations} violations (PGOCI_SEED=${seed}, ${new Date().toISOString().slice(0, 10)})`,
      '',
    ].join('\n')
  }

  private pointsOf({ name }: Fault) {
    const known = this.points.get(name) ?? { passed: new Set<number>(), met: new Set<number>() }
    this.points.set(name, known)
    return known
  }
}
