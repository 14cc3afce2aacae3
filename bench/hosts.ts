import type { Contender, Scenario } from './contender.ts'
import { startLink } from './link.ts'
import { type Failure, measure, type Row } from './measure.ts'
import { floor, ours } from './ours.ts'
import type { Bench, Outcome, Part } from './part.ts'
import { peers } from './peers.ts'
import { formatTable } from './report.ts'
import { startOpenSsh } from './sshd.ts'

const linkNames = { lan: 'LAN', wan: '20 ms, 100 Mbit/s' } as const

/** A check of drift is the host's own work; the far link would only make those wait that read the registry for it. */
const without: Readonly<Record<keyof typeof linkNames, readonly Scenario[]>> = { lan: [], wan: ['drift'] }

/** One host, all ways to install on it, over each link. */
export const hosts: Part = {
  name: 'hosts',
  knows: (word) => word === 'hosts' || contenders.some(({ name }) => name.includes(word)),
  run: measureHosts,
}

const contenders: readonly Contender[] = [floor, ours, ...peers()]

async function measureHosts(bench: Bench): Promise<Outcome> {
  const isAll = bench.only.length === 0 || bench.only.includes('hosts')
  const chosen = contenders.filter(({ name }) => isAll || bench.only.some((word) => name.includes(word)))
  const sshd = await startOpenSsh(bench.folder)
  bench.atEnd(sshd.stop)
  const rows: (Row & { link: string })[] = []
  const failures: (Failure & { link: string })[] = []
  for (const [index, kind] of bench.links.entries()) {
    const link = await startLink(sshd.port, kind)
    bench.atEnd(link.close)
    const result = await measure(
      chosen.filter(({ missing }) => missing === undefined),
      { ...bench, sshd, link },
      {
        runs: bench.runs,
        seconds: bench.left() / (bench.links.length - index),
        without: without[kind],
        except: [sshd.pid],
        progress: (text) => bench.progress(`${linkNames[kind]}, ${text}`),
      },
    )
    rows.push(...result.rows.map((row) => ({ ...row, link: linkNames[kind] })))
    failures.push(...result.failures.map((failure) => ({ ...failure, link: linkNames[kind] })))
  }
  const report = { conditions: conditions(bench), contenders: chosen, rows, failures }
  return { ...formatTable(report), failures: failures.length }
}

function conditions({ machine, input }: Bench): string[] {
  return [
    `Medians: ${machine()}; only ratios travel.`,
    input,
    'Host: sshd on loopback, reached through a proxy that counts, and that for the far link has 20 ms there and back and',
    '100 Mbit/s; the registry is on loopback, without it.',
    'Caches: registry and disks warm in the page cache; the controller cache is empty for the cold install, and has',
    'the former images afterwards. 1 % that differs is a rebuild: two layers of three are new. One file that differs is',
    'an image derived from the first: its layers and a small one more.',
    "Seconds are the whole command's. Processor: seconds, user and system, of all processes that it started on the",
    "controller and that ended with it, so Pulumi's own are in it, and sshd with the host's, registry and proxy are not.",
    "Bytes are TCP's between controller and host. Memory is the peak of the largest process here: for Pulumi the",
    "provider's, for the others any tool's. Verified: the host's bytes were hashed there and compared before they",
    'count. Synced: they survive a power cut at the end. Wrong files: hashed by the bench afterwards, against the image;',
    "a tenth of the upgrade's files keep their size and, as reproducible builds do, their time.",
  ]
}
