// Measures us beside other ways to do the same, in one run: same input, same registry, same host. It only prints.
// node bench/bench.ts [--runs N] [--minutes N] [--size MEGABYTES] [--link lan|wan] [--only NAME…] [--json]
// `--only read` is the controller's part alone: reading images, without a host.
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startDockerRegistry } from '../test/support/docker-registry.ts'
import type { Contender } from './contender.ts'
import { benchImages, extensionNames } from './images.ts'
import { startLink } from './link.ts'
import { measure } from './measure.ts'
import { family } from './memory.ts'
import { floor, ours } from './ours.ts'
import { crane, rsync } from './peers.ts'
import { formatReading, formatReadingJson, measureReading } from './read.ts'
import { formatJson, formatTable } from './report.ts'
import { startOpenSsh } from './sshd.ts'

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    minutes: { type: 'string', default: '8' },
    size: { type: 'string', default: '485' },
    link: { type: 'string', default: 'lan' },
    only: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
  },
})
const runs = whole('runs', flags.runs, 1)
const minutes = whole('minutes', flags.minutes, 1)
const size = whole('size', flags.size, 100)
const kind = flags.link
if (kind !== 'lan' && kind !== 'wan') throw new RangeError(`--link ${kind}: expected lan or wan`)

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

const contenders: readonly Contender[] = [floor, ours, rsync(), crane()].filter(
  ({ name }) => flags.only.length === 0 || flags.only.some((word) => name.includes(word)),
)
const isReading = flags.only.length === 0 || flags.only.includes('read')
if (contenders.length === 0 && !isReading)
  throw new RangeError(`--only ${flags.only.join(' ')}: nobody here is called so`)

const folder = mkdtempSync(join(tmpdir(), 'pgoci-bench-'))
cleanUp.push(() => rmSync(folder, { recursive: true, force: true }))
progress(`Preparing images of ${size} MB; the first time this takes a minute`)
const images = await benchImages(size)
const registry = await startDockerRegistry(join(images, 'registry'))
cleanUp.push(() => void registry.close())

const machine = `Node ${process.versions.node} on ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`
const input = `Input: a distribution of ${size} MB, 14,000 entries, three gzip layers, with PostgreSQL 18; ${extensionNames.length} extensions of its contrib.`
if (isReading) {
  const rows = await measureReading({ registry: registry.host, size, folder, runs, progress })
  const report = {
    conditions: [
      `Reading images, on the controller. Medians of ${runs} run${runs === 1 ? '' : 's'}: ${machine}; load ${loadavg()[0]?.toFixed(1)} at the end.`,
      input,
      'MB/s are of unpacked bytes. Registry, disks and layouts are warm in the page cache, our own cache is empty except',
      "for the resolutions. Our seconds are those inside a provider that runs already, the others' the whole command's;",
      "memory is the largest process's peak, ours with all of Pulumi's SDK loaded. Processor: of all processes together.",
    ],
    rows,
  }
  process.stdout.write(flags.json ? formatReadingJson(report) : formatReading(report))
}
if (contenders.length > 0) {
  const sshd = await startOpenSsh(folder)
  const link = await startLink(sshd.port, kind)
  cleanUp.push(sshd.stop, link.close)
  const rows = await measure(
    contenders.filter(({ missing }) => missing === undefined),
    { sshd, link, registry: registry.host, sums: (version) => join(images, `SUMS-${version}`), folder },
    { runs, seconds: minutes * 60, except: [sshd.pid], progress },
  )
  const done = Math.max(...rows.map(({ samples }) => samples.length))
  const report = {
    conditions: [
      `Medians of ${done} run${done === 1 ? '' : 's'}: ${machine}; load ${loadavg()[0]?.toFixed(1)} at the end; only ratios travel.`,
      input,
      `Host: sshd on loopback, reached through a proxy ${kind === 'lan' ? 'that only counts' : 'with 20 ms and 100 Mbit/s'}; the registry is on loopback, without it.`,
      'Caches: registry and disks warm in the page cache; the controller cache is empty for the cold install, and has',
      'the former images afterwards: the upgrade downloads its layers, going back downloads nothing.',
      "Seconds are the whole command's. Bytes are TCP's between controller and host. Memory is the peak of the largest",
      "process here: for Pulumi the provider's, for the others any tool's. Verified: the host's bytes were hashed there",
      'and compared before they count. Synced: they survive a power cut at the end. Wrong files: hashed by the bench',
      "afterwards, against the image; a tenth of the upgrade's files keep their size and, as reproducible builds do,",
      'their time.',
    ],
    contenders,
    rows,
  }
  process.stdout.write(flags.json ? formatJson(report) : formatTable(report))
}
process.exit()

function progress(text: string): void {
  process.stderr.write(`${text}\n`)
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new RangeError(`--${name} ${text}: expected a whole number, at least ${least}`)
}
