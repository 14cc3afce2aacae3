import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Transport } from '../../src/host/transport.ts'
import { type Verb, verbText } from '../../src/host/verb.ts'
import { damaging } from '../support/damage.ts'
import type { Point } from './attack.ts'
import { type Chance, chance as chanceOf } from './chance.ts'
import { changes } from './changes.ts'
import type { Column } from './columns.ts'
import type { Fault } from './faults.ts'
import type { Scene } from './inject.ts'
import { insertStatements, statementLines } from './lines.ts'
import { memberStarts } from './members.ts'
import type { Report } from './report.ts'
import type { Place } from './world.ts'

interface Rehearsal {
  readonly lines: readonly number[]
  readonly stream: Buffer
}

/** By change, verb and kind of host. */
const rehearsals = new Map<string, Promise<Rehearsal>>()

/**
 * Points of a change, among all that there are, in an order of chance that is the same on all hosts: who skips those
 * of the hosts before takes others, as long as there are any.
 */
export async function choosePoints(
  fault: Fault,
  { world, host, turns }: Scene,
  options: {
    readonly column: Column
    readonly count: number
    readonly skip: number
    readonly chance: Chance
    readonly report: Report
  },
): Promise<Point[]> {
  const { column, count, skip, chance, report } = options
  if (fault.at === 'byte') return Array.from({ length: count }, () => ({ share: chance.below(9999) / 10_000 }))
  const kind = [fault.change, fault.verb, column.name].join(' ')
  const rehearsal =
    rehearsals.get(kind) ?? changes[fault.change](world, turns).then((one) => rehearse(fault, one, host.place))
  rehearsals.set(kind, rehearsal)
  const seen = await rehearsal
  const lines = fault.of === 'its own lines' ? seen.lines.filter((line) => line > ownStart(fault.verb)) : seen.lines
  const all = fault.at === 'line' ? lines : [...memberStarts(seen.stream).keys()]
  report.pass(fault, all)
  const rank = new Map(all.map((one) => [one, chanceOf(fault.name, one).below(2 ** 31)]))
  const ordered = all.toSorted((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0))
  return Array.from({ length: Math.min(count, ordered.length) }, (_, index) => {
    const one = ordered[(skip + index) % ordered.length] ?? 0
    return fault.at === 'line' ? { line: one } : { member: one }
  })
}

/** Before it are the functions that verbs share. */
function ownStart(verb: Verb): number {
  return verbText(verb)
    .split('\n')
    .findIndex((line) => line.startsWith(`# ${verb} NONCE`))
}

/** Makes a change as it is, and tells which lines of the verb it passes, and what it sends. */
async function rehearse(
  { verb }: Fault,
  change: { perform(transport: Transport): Promise<void> },
  { folder, hostFolder, transport }: Place,
): Promise<Rehearsal> {
  const trace = join(folder, 'trace')
  rmSync(trace, { force: true })
  const marks = new Map(statementLines(verb).map((line) => [line, `echo ${line} >>${join(hostFolder, 'trace')}`]))
  let stream = Buffer.alloc(0)
  await change.perform(
    damaging(transport, verb, (sent) => {
      stream = Buffer.from(sent.stdin)
      insertStatements(sent, verb, marks)
    }),
  )
  const passed = readFileSync(trace, 'utf8').trim().split('\n').map(Number)
  return { lines: [...new Set(passed)], stream }
}
