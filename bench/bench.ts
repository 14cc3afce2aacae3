// Measures us beside other ways to do the same, in one run: same input, same registry, same host. It only prints.
// node bench/bench.ts [--runs N] [--minutes N] [--size MEGABYTES] [--link lan|wan|both] [--only NAME…] [--json]
// `--only` takes the name of a part (read: the controller alone; names; hosts; fleet, which runs only then) or of contenders, or a piece of their names.
import { mkdtempSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startDockerRegistry } from '../test/support/docker-registry.ts'
import { fleet } from './fleet.ts'
import { removeFolder } from './folder.ts'
import { hosts } from './hosts.ts'
import { benchImages, extensionNames } from './images.ts'
import { naming } from './names.ts'
import type { Outcome, Part } from './part.ts'
import { family } from './processes.ts'
import { reading } from './read.ts'

const parts: readonly Part[] = [reading, naming, hosts, fleet]

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    minutes: { type: 'string', default: '15' },
    size: { type: 'string', default: '485' },
    link: { type: 'string', default: 'both' },
    only: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
  },
})
const started = performance.now()
const runs = whole('runs', flags.runs, 1)
const minutes = whole('minutes', flags.minutes, 1)
const size = whole('size', flags.size, 100)
const links = { lan: ['lan'], wan: ['wan'], both: ['lan', 'wan'] } as const
const link = flags.link as keyof typeof links
if (!Object.hasOwn(links, link)) throw new RangeError(`--link ${link}: expected lan, wan or both`)
for (const word of flags.only) {
  if (!parts.some(({ knows }) => knows(word))) throw new RangeError(`--only ${word}: nobody here is called so`)
}

const cleanUp: (() => void)[] = []
process.once('exit', () => {
  for (const action of cleanUp.reverse()) action()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    try {
      for (const pid of family(process.pid, [])) process.kill(pid, 'SIGKILL')
    } finally {
      process.exit(130)
    }
  })
}

const folder = mkdtempSync(join(tmpdir(), 'pgoci-bench-'))
cleanUp.push(() => removeFolder(folder))
progress(`Preparing images of ${size} MB; the first time this takes a minute`)
const images = await benchImages(size)
const registry = await startDockerRegistry(join(images, 'registry'))
cleanUp.push(() => void registry.close())

const bench = {
  only: flags.only,
  links: links[link],
  runs,
  left: () => minutes * 60 - (performance.now() - started) / 1000,
  size,
  registry: registry.host,
  sums: (version: number) => join(images, `SUMS-${version}`),
  folder,
  machine: () =>
    `Node ${process.versions.node} on ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}; load ${loadavg()[0]?.toFixed(1)} at the end`,
  input: `Input: a distribution of ${size} MB, 14,000 entries, three gzip layers, with PostgreSQL 18; ${extensionNames.length} extensions of its contrib.`,
  progress,
  atEnd: (action: () => void) => void cleanUp.push(action),
}
const outcomes: Record<string, Outcome> = {}
for (const part of parts) {
  if (flags.only.length > 0 ? !flags.only.some(part.knows) : part.isLong) continue
  const outcome = await part.run(bench)
  outcomes[part.name] = outcome
  if (!flags.json) process.stdout.write(`${outcome.text}\n`)
}
if (flags.json) {
  const json = Object.fromEntries(Object.entries(outcomes).map(([name, one]) => [name, one.json]))
  process.stdout.write(`${JSON.stringify(json, undefined, 2)}\n`)
}
process.exit(Object.values(outcomes).some(({ failures }) => failures > 0) ? 1 : 0)

function progress(text: string): void {
  process.stderr.write(`${text}\n`)
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new RangeError(`--${name} ${text}: expected a whole number, at least ${least}`)
}
