import { afterAll, describe, expect, test } from 'vitest'
import { chance, seed } from './chance.ts'
import { type Column, sampledShells } from './columns.ts'
import { type Fault, faults, obstacle } from './faults.ts'
import { inject } from './inject.ts'
import { choosePoints } from './points.ts'
import { Report } from './report.ts'
import { openScene } from './scene.ts'

// `npm run faults` sets it. Without it a few of each kind have to do, each on one kind of host.
const isLong = process.env['PGOCI_FAULTS'] === 'long'
const report = new Report()
afterAll(() => {
  process.stdout.write(report.toString())
  if (report.missed > report.met / 9) throw new Error(`${report.missed} injections did not come to their point`)
})

const rows = faults
  .map((fault, index) => ({ fault, name: fault.name, columns: isLong ? fault.on : sampled(fault, index) }))
  .filter(({ columns }) => columns.length > 0)

describe.concurrent.each(rows)('$name', { timeout: isLong ? 7_200_000 : 900_000 }, ({ fault, columns }) => {
  for (const [at, column] of columns.entries()) {
    const why = obstacle(fault, column)
    test.skipIf(why !== undefined)(`Atomic: ${column.name}${why ? ` (skipped: ${why})` : ''}`, async () => {
      const count = timesOn(fault, column)
      expect(await violations(fault, column, { count, skip: isLong ? at * fault.times : 0 })).toEqual([])
    })
  }
})

/**
 * One row on one kind of host, the next one on the next: all shells and tars have their share. Real Debian hosts are
 * killed in test/system as well.
 */
function sampled({ on, sample = 1 }: Fault, index: number): readonly Column[] {
  const columns = on.filter(({ kind, hasPostgres }) => kind !== 'debian' && !hasPostgres).slice(0, sampledShells)
  const column = sample > 0 && columns[index % columns.length]
  return column ? [column] : []
}

function timesOn({ times, sample = 1 }: Fault, { hasPostgres }: Column): number {
  if (!isLong) return sample
  return hasPostgres ? Math.ceil(times / 3) : times
}

async function violations(
  fault: Fault,
  column: Column,
  options: { readonly count: number; readonly skip: number },
): Promise<string[]> {
  const choices = chance(fault.name, column.name)
  const scene = await openScene(fault, column)
  const found: string[] = []
  try {
    for (const point of await choosePoints(fault, scene, { ...options, column, chance: choices, report })) {
      const injection = await inject(fault, scene, { point, chance: choices }).catch((error: Error) => ({
        isHit: true,
        wrongs: [`it cannot be looked at: ${error.stack}`],
      }))
      report.add(fault, column, { point, ...injection })
      if (injection.wrongs.length === 0) continue
      const mode = isLong ? ' PGOCI_FAULTS=long' : ''
      const again = `PGOCI_SEED=${seed}${mode} npx vitest run test/faults -t '^${fault.name}.*: ${column.name}$'`
      found.push(`${JSON.stringify(point)}: ${injection.wrongs.join('; ')}; to repeat: ${again}`)
      process.stdout.write(`violation: ${fault.name}, ${column.name}: ${found.at(-1)}\n`)
    }
  } finally {
    await scene.close()
  }
  // The table comes at the end, and whoever ends the run before has these.
  if (isLong) process.stdout.write(`${report.rowOf(fault, column)}\n`)
  return found
}
