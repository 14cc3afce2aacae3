import type { FleetRow } from './fleet.ts'
import { alignTable } from './report.ts'

interface FleetReport {
  readonly machine: string
  /** Of the distribution, unpacked. */
  readonly bytes: number
  readonly entries: number
  /** Of the controller's uplink, where it is limited. */
  readonly megabits: number
  readonly rows: readonly FleetRow[]
}

/** For a person: a block for each scenario and link, and what one host more costs. */
export function formatFleet({ machine, bytes, entries, megabits, rows }: FleetReport): string {
  const lines: string[][] = []
  const links = { lan: 'LAN', wan: `20 ms to each host, ${megabits} Mbit/s out of the controller for all` }
  for (const title of new Set(rows.map((row) => `${row.title}; ${links[row.link]}`))) {
    lines.push([title, ...head])
    const here = rows.filter((row) => `${row.title}; ${links[row.link]}` === title)
    for (const contender of new Set(here.map((row) => row.contender))) {
      const [few, many] = here.filter((row) => row.contender === contender)
      for (const row of [few, many]) if (row) lines.push([`  ${contender}`, ...cells(row)])
      if (few && many) lines.push(['    one host more', ...cells(slope(few, many))])
    }
    lines.push([])
  }
  return [
    `A fleet in one stack: ${machine}.`,
    `Input: a distribution of ${megabytes(bytes)} unpacked, ${entries} entries, PostgreSQL 18; an extension of 0.1 MB.`,
    'Hosts: sshd, each in a network namespace of its own, at a switch that counts; their stores are on a tmpfs, and their',
    'work (tar, hashes, links) is done by the processors of this machine, too, which real fleets do not share.',
    'Seconds: the whole command; until the last host that answers had switched. Processor: of all processes on the',
    "controller. Memory: the provider's peak. Sent: by the controller into the network; relay: by the registry near the",
    'hosts; to a host: what came into each, from both. Once: blobs asked for at the registry, blobs proven, layers',
    'unpacked, images flattened, packs written, as the kernel told of the cache. Most connections and commands of any host.',
    '',
    alignTable(lines, { right: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }),
  ].join('\n')
}

const head = [
  ...['hosts', 'seconds', 'last host', 'processor', 'memory', 'sent', 'answered', 'relay', 'to a host', 'once'],
  'per host',
]

function cells(row: FleetRow): string[] {
  const { hosts, seconds, switched, processor, memory, sent, answered, relayed, received, made } = row
  return [
    String(hosts),
    ...[seconds, switched, processor].map((one) => one.toFixed(2)),
    ...[memory, sent, answered, relayed, received / hosts].map(megabytes),
    made ? [made.requests, made.blobs, made.unpacked, made.flattened, made.packs].join(' ') : '-',
    `${row.connections}, ${row.commands}`,
  ]
}

/** The difference, by host. */
function slope(few: FleetRow, many: FleetRow): FleetRow {
  const more = many.hosts - few.hosts
  const of = (key: 'seconds' | 'switched' | 'processor' | 'memory' | 'sent' | 'answered' | 'relayed' | 'received') =>
    (many[key] - few[key]) / more
  const { made: _, ...row } = many
  return {
    ...row,
    hosts: 1,
    seconds: of('seconds'),
    switched: of('switched'),
    processor: of('processor'),
    memory: of('memory'),
    sent: of('sent'),
    answered: of('answered'),
    relayed: of('relayed'),
    received: of('received'),
    connections: 0,
    commands: 0,
  }
}

function megabytes(count: number): string {
  return count === 0 ? '-' : `${(count / 1e6).toFixed(Math.abs(count) < 1e6 ? 3 : 1)} MB`
}
