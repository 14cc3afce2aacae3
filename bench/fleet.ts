import { lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Made, watchCache } from '../test/support/cache-watch.ts'
import { command } from '../test/support/command.ts'
import { startDockerRegistry } from '../test/support/docker-registry.ts'
import { startRegistry } from '../test/support/fault-registry.ts'
import { Fleet, type FleetHost } from '../test/support/fleet.ts'
import { registryImages } from '../test/support/fleet-images.ts'
import { distributionFiles } from '../test/support/postgres-images.ts'
import { TestStack } from '../test/support/pulumi.ts'
import { whyNoRealHosts } from '../test/support/root-needs.ts'
import { formatFleet } from './fleet-report.ts'
import { startLink } from './link.ts'
import type { Bench, Part } from './part.ts'
import { processorOfEnded, watchMemory } from './processes.ts'

const sizes = [5, 50] as const
const megabits = 100
const parallel = 64
/** Seconds for a host that does not answer. */
const patience = 20

export interface FleetRow {
  readonly title: string
  readonly link: 'lan' | 'wan'
  readonly contender: string
  readonly hosts: number
  /** Of the whole command. */
  readonly seconds: number
  /** Until the last host that answers had switched. */
  readonly switched: number
  /** Seconds of all processors, of all processes of the command on the controller. */
  readonly processor: number
  /** Peak of the provider, in bytes. */
  readonly memory: number
  /** Bytes: from the controller into the network, from the relay into it, and into the hosts altogether. */
  readonly sent: number
  readonly relayed: number
  readonly received: number
  /** Bytes from the network to the controller. */
  readonly answered: number
  /** What the cache was given, and how many blobs the registry was asked for. */
  readonly made?: Made & { readonly requests: number }
  /** Most of any host. */
  readonly connections: number
  readonly commands: number
}

/** One stack of many hosts, each in a network of its own, beside one rsync a host. */
export const fleet: Part = {
  name: 'fleet',
  isLong: true,
  knows: (word) => word === 'fleet',
  run: async (bench) => {
    const why = whyNoRealHosts()
    if (why) return { text: `Fleet: not measured: ${why}\n`, json: { why }, failures: 1 }
    const field = await startField(bench)
    const rows: FleetRow[] = []
    const add = (row: FleetRow) => {
      rows.push(row)
      bench.progress(`${row.link}, ${row.hosts} hosts, ${row.title}, ${row.contender}: ${row.seconds.toFixed(1)} s`)
    }
    for (const link of bench.links) {
      const ports = link === 'wan' ? await delayed(field, bench) : undefined
      field.fleet.setRate(link === 'wan' ? megabits : undefined)
      for (const count of sizes) {
        const place: Place = { ...field, link, hosts: field.fleet.hosts.slice(0, count), ports }
        await measureOurs(place, { add })
        if (link === 'wan') await measureOurs(place, { add, relay: `${field.relay}/near/cache` })
        await measureRsync(place, { add, folder: bench.folder })
      }
    }
    const report = { machine: bench.machine(), bytes: field.bytes, entries: field.entries, megabits, rows }
    return { text: formatFleet(report), json: report, failures: 0 }
  },
}

interface Field {
  readonly fleet: Fleet
  readonly near: FleetHost
  /** `HOST:PORT` of a registry in the hosts' network. */
  readonly relay: string
  readonly registry: Awaited<ReturnType<typeof startRegistry>>
  /** Of the distribution, unpacked. */
  readonly bytes: number
  readonly entries: number
}

interface Place extends Field {
  readonly link: 'lan' | 'wan'
  readonly hosts: readonly FleetHost[]
  /** Of proxies on loopback, where there is a delay. */
  readonly ports: ReadonlyMap<FleetHost, number> | undefined
}

async function startField(bench: Bench): Promise<Field> {
  bench.progress(`Starting ${Math.max(...sizes)} hosts`)
  const { tags, blobs } = await registryImages(join(bench.folder, 'fleet-images'))
  const registry = await startRegistry(tags, blobs)
  const fleet = await Fleet.start(Math.max(...sizes), { inMemory: true })
  bench.atEnd(() => fleet.remove())
  const near = await fleet.addMachine('registry')
  const relay = await startDockerRegistry(near.store, { machine: near })
  bench.atEnd(() => void relay.close())
  const files = [...distributionFiles().values()]
  const entries = files.length
  const bytes = files.reduce((sum, file) => sum + (file instanceof Uint8Array ? file.length : 0), 0)
  return { fleet, near, relay: relay.host, registry, bytes, entries }
}

async function delayed({ fleet }: Field, bench: Bench): Promise<Map<FleetHost, number>> {
  const links = await Promise.all(
    fleet.hosts.map(async (host) => [host, await startLink(22, 'far', host.address)] as const),
  )
  bench.atEnd(() => links.forEach(([, link]) => void link.close()))
  return new Map(links.map(([host, { port }]) => [host, port]))
}

interface Measuring {
  readonly add: (row: FleetRow) => void
  readonly relay?: string
}

async function measureOurs(place: Place, { add, relay }: Measuring): Promise<void> {
  const { fleet, registry, hosts, ports, link } = place
  const stack = new TestStack(program, { main: 'index.mjs' })
  const cache = watchCache(join(stack.folder, 'cache'))
  try {
    for (const { store } of hosts) empty(store)
    const settings = Object.fromEntries([registry.host, place.relay].map((host) => [host, { insecure: true }]))
    const connections = hosts.map((host) => {
      const port = ports?.get(host)
      const to = { name: host.name, ...fleet.connectionTo(host), perDialTimeout: patience, dialErrorLimit: 1 }
      return port === undefined ? to : { ...to, host: '127.0.0.1', port }
    })
    await stack.init({
      root: fleet.root,
      image: `${registry.host}/team/image:pg18`,
      hosts: JSON.stringify(connections),
      'postgres-oci:registries': JSON.stringify(settings),
      ...(relay ? { relay } : {}),
    })
    const up = () => stack.run('up', '--yes', '--skip-preview', '--parallel', `${parallel}`, '--continue-on-error')
    const contender = relay ? 'this package, relay' : 'this package'
    const row = async (title: string, dead: readonly FleetHost[] = []) => {
      const made = { ...cache.made(), requests: blobsOf(registry) }
      const sample = await sampleOf(place, hosts, dead, async () => {
        const { code, output } = await up()
        if ((code === 0) !== (dead.length === 0)) throw new Error(`pulumi up ended with ${code}:\n${output}`)
      })
      const now = { ...cache.made(), requests: blobsOf(registry) }
      const differences = Object.entries(now).map(([key, value]) => [key, value - made[key as keyof typeof now]])
      add({ title, link, contender, hosts: hosts.length, ...sample, made: Object.fromEntries(differences) })
    }
    await row('cold install')
    await stack.set('extension', `${registry.host}/team/image:hstore`)
    await row('one extension more')
    const [dead] = hosts
    if (link === 'wan' || relay || dead === undefined) return
    await stack.set('extension', `${registry.host}/team/image:citext`)
    fleet.set(dead, 'dead')
    await row(`another version of it, one host dead (given up after ${patience} s)`, [dead])
    fleet.set(dead, 'alive')
  } finally {
    cache.stop()
    stack.remove()
  }
}

/** A process for each host, as its users do it; from a tree that is unpacked already. */
async function measureRsync(place: Place, { add, folder }: Pick<Measuring, 'add'> & { folder: string }): Promise<void> {
  const { fleet, hosts, ports, link } = place
  const tree = join(folder, 'fleet-tree')
  for (const [path, content] of distributionFiles()) {
    if (!(content instanceof Uint8Array)) continue
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), content)
  }
  for (const { store } of hosts) empty(store)
  const trust = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null']
  const to = hosts.map((host) => `${ports?.get(host) ?? 22} root@${ports ? '127.0.0.1' : host.address}\n`)
  // Compressed where the line is the limit.
  const flags = link === 'wan' ? '-az' : '-a'
  const words = [
    '-P',
    `${parallel}`,
    '-n',
    '2',
    'sh',
    '-c',
    sending,
    [...fleet.client, ...trust].join(' '),
    flags,
    tree,
    fleet.root,
  ]
  const sample = await sampleOf(place, hosts, [], () => command('xargs', words, { input: to.join('') }))
  const title = 'cold install'
  add({ title, link, contender: `rsync ${flags}, one a host`, hosts: hosts.length, ...sample, memory: 0 })
}

/** $0 options of ssh, $1 of rsync, $2 what, $3 the folder there, $4 port, $5 host */
const sending = `rsync $1 -e "ssh $0 -p $4" "$2/" "$5:$3/v1/" && ssh $0 -p "$4" "$5" "ln -sfn v1 $3/new && mv -T $3/new $3/current"`

async function sampleOf(
  { fleet, near }: Field,
  hosts: readonly FleetHost[],
  dead: readonly FleetHost[],
  act: () => Promise<unknown>,
) {
  const traffic = () => ({
    sent: fleet.uplinkTraffic().sent,
    answered: fleet.uplinkTraffic().received,
    relayed: fleet.traffic(near).sent,
    received: hosts.reduce((sum, host) => sum + fleet.traffic(host).received, 0),
  })
  const counts = new Map(hosts.map((host) => [host, fleet.counts(host)]))
  const before = traffic()
  const matches = (line: string) => line.includes('cmd/dynamic-provider')
  const memory = watchMemory({ matches, except: [], interval: 500 })
  const processor = processorOfEnded()
  const begun = Date.now()
  try {
    await act()
  } finally {
    memory.stop()
  }
  const seconds = (Date.now() - begun) / 1000
  const after = traffic()
  const most = (key: 'connections' | 'commands') =>
    Math.max(...hosts.map((host) => fleet.counts(host)[key] - (counts.get(host)?.[key] ?? 0)))
  const ends = hosts.filter((host) => !dead.includes(host)).map((host) => switchedAt(host) - begun)
  return {
    seconds,
    switched: Math.max(...ends) / 1000,
    processor: processorOfEnded() - processor,
    memory: memory.stop(),
    sent: after.sent - before.sent,
    answered: after.answered - before.answered,
    relayed: after.relayed - before.relayed,
    received: after.received - before.received,
    connections: most('connections'),
    commands: most('commands'),
  }
}

/** The link that a switch renames was made just before. */
function switchedAt({ store }: FleetHost): number {
  const ours = lstatSync(join(store, 'instances/pg/current'), { throwIfNoEntry: false })
  return (ours ?? lstatSync(join(store, 'current'))).mtimeMs
}

const blobsOf = ({ requests }: Field['registry']) =>
  requests.filter((line) => line.startsWith('GET') && line.includes('/blobs/')).length

function empty(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
}

const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const config = new pulumi.Config()
const image = config.get('extension')
for (const { name, ...connection } of config.requireObject('hosts')) {
  const distribution = new Distribution(name, {
    connection,
    root: config.require('root'),
    instance: 'pg',
    image: config.require('image'),
    platform: process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64',
    relay: config.get('relay'),
  })
  if (image) new Extension(name + '-extension', { distribution, image })
}
`
