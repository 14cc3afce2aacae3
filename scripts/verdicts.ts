// What the proof says of every extension that Debian packages, beside what a real Postgres does with it: the table of
// docs/marriage.md. Needs root and apt. Ends with 1 when the two differ anywhere.
//   npm run verdicts -- [--major 15|17|18] [--foreign|--installed] [--keep FILE] [NAME…]
//     --foreign   packages that do not belong there, in place of its own
//     --installed in the store of a Debian whose Postgres is apt's, in place of an image's
//     --keep      has the verdicts so far, a line of JSON each; a run that was cut goes on from there
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { debianBase, namesIn } from '../test/support/debian-packages.ts'
import { casesOf, foreignCases, releases } from '../test/support/verdict-cases.ts'
import { VerdictServer } from '../test/support/verdict-server.ts'
import { type Case, type Verdict, verdictOf } from '../test/support/verdicts.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    major: { type: 'string', default: '15' },
    foreign: { type: 'boolean', default: false },
    installed: { type: 'boolean', default: false },
    keep: { type: 'string' },
  },
})
const release = releases[values.major]
if (release === undefined) throw new Error(`--major is one of ${Object.keys(releases).join(', ')}`)
const verdicts: Verdict[] =
  values.keep !== undefined && existsSync(values.keep)
    ? readFileSync(values.keep, 'utf8')
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : []
/** What apt could not install. */
const unmade: string[] = []
const known = new Set(verdicts.map(({ name, what }) => `${name} ${what}`))
/** What sets the rows apart. */
const place = values.installed ? ", for apt's Postgres" : ''
const isWanted = (name: string) => positionals.length === 0 || positionals.includes(name)
const folder = mkdtempSync(join(tmpdir(), 'pgoci-verdicts-'))
try {
  const server = await VerdictServer.start(folder, release, values.installed)
  for await (const one of allCases(release)) {
    const verdict = await verdictOf(server, one)
    verdicts.push(verdict)
    if (values.keep !== undefined) appendFileSync(values.keep, `${JSON.stringify(verdict)}\n`)
    print(verdict)
  }
  printCounts()
  if (unmade.length > 0) process.stdout.write(`\nNot installed by apt: ${unmade.join(', ')}\n`)
  if (verdicts.some(({ wrong }) => wrong.length > 0) || unmade.length > 0) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function* allCases(of: (typeof releases)[string]): AsyncGenerator<Case> {
  const isOpen = (name: string, what: string) => isWanted(name) && !known.has(`${name} ${what}`)
  if (values.foreign) {
    for (const other of of.foreign) yield* foreignCases(of, other, isOpen)
    return
  }
  for (const name of namesIn(await debianBase(of))) {
    // Its last one.
    if (!isOpen(name, `alone${place}`)) continue
    try {
      for (const one of await casesOf(of, name, folder)) {
        const what = `${one.what}${place}`
        // Apt's Postgres has no image.
        if (isOpen(name, what) && !(values.installed && one.isBuiltOn)) yield { ...one, what }
      }
    } catch (error) {
      unmade.push(name)
      process.stderr.write(`unmade ${name}: ${String(error).slice(-2000)}\n`)
    }
  }
}

function printCounts(): void {
  const rows = Map.groupBy(verdicts, ({ what, proof, rules, reality, wrong }) =>
    [what, [proof, ...rules].join(', '), reality, wrong.length > 0 ? 'WRONG' : 'right'].join(' | '),
  )
  process.stdout.write('\n| packed | proof | reality | verdict | images |\n|---|---|---|---|---|\n')
  for (const [row, all] of [...rows].sort()) process.stdout.write(`| ${row} | ${all.length} |\n`)
}

function print({ name, what, proof, rules, reality, wrong, details }: Verdict): void {
  const told = [proof, ...rules].join(', ')
  process.stdout.write(
    `${wrong.length > 0 ? 'WRONG' : 'right'}  ${name.padEnd(36)} ${what.padEnd(22)} ${told.padEnd(30)} ${reality}\n`,
  )
  if (process.env['VERBOSE']) for (const line of details) process.stdout.write(`       . ${line}\n`)
  for (const line of wrong) process.stdout.write(`       ! ${line}\n`)
}
