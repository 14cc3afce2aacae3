// What our readers make of every Postgres package of three suites of Debian, beside what readelf, pg_config and the lists of
// their files say of them: the figures of docs/marriage.md. Needs root and apt. Ends with 1 when anything cannot be read,
// or is read otherwise.
//   npm run facts -- [--major 15|17|18]
import { parseArgs } from 'node:util'
import { type PackageFacts, suiteFacts } from '../test/support/suite-facts.ts'
import { releases } from '../test/support/verdict-cases.ts'

const { values } = parseArgs({ options: { major: { type: 'string' } } })
const majors = values.major === undefined ? Object.keys(releases) : [values.major]
const [near] = Object.values(releases)
const columns = ['binaries', 'modules', 'controlFiles', 'scripts', 'failures', 'disagreements'] as const
const rows = [['Postgres', 'suite', 'packages', ...columns.map((one) => one.replace('F', ' f'))]]

for (const major of majors) {
  const release = releases[major]
  if (release === undefined || near === undefined)
    throw new Error(`--major is one of ${Object.keys(releases).join(', ')}`)
  const all: PackageFacts[] = []
  for await (const one of suiteFacts(release, near)) {
    all.push(one)
    for (const line of [...one.failures, ...one.disagreements]) process.stdout.write(`! ${line}\n`)
    if (one.failures.length + one.disagreements.length > 0) process.exitCode = 1
  }
  const sum = (column: (typeof columns)[number]) =>
    all.reduce((total, { [column]: value }) => total + (typeof value === 'number' ? value : value.length), 0)
  rows.push([major, release.suite, String(all.length), ...columns.map((one) => String(sum(one)))])
}
for (const [index, row] of rows.entries()) {
  process.stdout.write(`| ${row.join(' | ')} |\n`)
  if (index === 0) process.stdout.write(`|${'---|'.repeat(row.length)}\n`)
}
