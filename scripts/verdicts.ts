// What the proof says of every extension that Debian packages, beside what a real Postgres does with it: the table of
// docs/marriage.md. Needs root and apt. `-- NAME…` for single packages. Ends with 1 when the two differ anywhere.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { debianImages } from '../test/support/debian-images.ts'
import { debianBase, namesIn } from '../test/support/debian-packages.ts'
import { startDockerRegistry } from '../test/support/docker-registry.ts'
import { casesOf } from '../test/support/verdict-cases.ts'
import { VerdictServer } from '../test/support/verdict-server.ts'
import { type Verdict, verdictOf } from '../test/support/verdicts.ts'

const folder = mkdtempSync(join(tmpdir(), 'pgoci-verdicts-'))
const images = await debianImages()
const registry = await startDockerRegistry(images)
const verdicts: Verdict[] = []
try {
  const server = await VerdictServer.start(
    folder,
    `${registry.host}/debian/postgres:15`,
    { settings: { [registry.host]: { insecure: true } } },
    join(images, 'controller'),
  )
  const names = process.argv.slice(2).length > 0 ? process.argv.slice(2) : namesIn(await debianBase())
  for (const name of names)
    for (const one of await casesOf(name)) {
      const verdict = await verdictOf(server, one)
      verdicts.push(verdict)
      print(verdict)
    }
  printCounts()
  if (verdicts.some(({ wrong }) => wrong.length > 0)) process.exitCode = 1
} finally {
  await registry.close()
  rmSync(folder, { recursive: true, force: true })
}

function printCounts(): void {
  const rows = Map.groupBy(verdicts, ({ what, proof, reality, wrong }) =>
    [what, proof, reality, wrong.length > 0 ? 'WRONG' : 'right'].join(' | '),
  )
  process.stdout.write('\n| packed | proof | reality | verdict | images |\n|---|---|---|---|---|\n')
  for (const [row, all] of [...rows].sort()) process.stdout.write(`| ${row} | ${all.length} |\n`)
}

function print({ name, what, proof, reality, wrong, details }: Verdict): void {
  process.stdout.write(
    `${wrong.length > 0 ? 'WRONG' : 'right'}  ${name.padEnd(36)} ${what.padEnd(22)} ${proof.padEnd(13)} ${reality}\n`,
  )
  if (process.env['VERBOSE']) for (const line of details) process.stdout.write(`       . ${line}\n`)
  for (const line of wrong) process.stdout.write(`       ! ${line}\n`)
}
