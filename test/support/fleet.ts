import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { command } from './command.ts'
import { sweepNamespaces } from './veth-link.ts'

/** A machine of a fleet: its own network and address; programs and disks are those of this machine. */
export interface FleetHost {
  readonly name: string
  readonly address: string
  /** Of its network namespace, for `ip netns exec`. */
  readonly namespace: string
  /** Where this machine sees its store, which it has at {@link Fleet.root} itself. */
  readonly store: string
}

/** Bytes through one cable. */
export interface Traffic {
  /** From the machine at its end into the network. */
  readonly sent: number
  readonly received: number
}

/**
 * Many hosts with an sshd each, this machine as their controller, and others, all of them at cables of their own to
 * one switch, which counts. Needs root.
 */
export class Fleet {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'pgoci-fleet-'))
  /** The store's folder on each host. */
  readonly root: string = join(this.folder, 'store')
  readonly hosts: FleetHost[] = []
  private readonly subnet = `198.19.${process.pid % 256}`
  private readonly namespace = `pgoci${process.pid}-1000`
  private readonly uplink = `pgociu${process.pid}`
  private readonly daemons = new Map<string, { readonly child: ChildProcess; log: string }>()
  private readonly removeAtExit = () => this.remove()
  private machines = 0

  /** @param options.inMemory stores are on a tmpfs: hosts that share one disk would sync each other's files */
  static async start(count: number, options: { readonly inMemory?: boolean } = {}): Promise<Fleet> {
    sweepNamespaces()
    const fleet = new Fleet()
    process.once('exit', fleet.removeAtExit)
    try {
      if (options.inMemory) await command('mount', ['-t', 'tmpfs', 'pgoci-fleet', fleet.folder])
      await fleet.connect()
      for (let number = 1; number <= count; number += 1) await fleet.addHost(`db${number}`)
      return fleet
    } catch (error) {
      fleet.remove()
      throw error
    }
  }

  /** What a resource needs to log in to a host. */
  connectionTo({ address }: FleetHost) {
    return { host: address, user: 'root', privateKeyPath: join(this.folder, 'client'), hostKey: this.hostKey }
  }

  /** Words of an OpenSSH client that logs in to any of the hosts. */
  get client(): readonly string[] {
    const known = join(this.folder, 'known_hosts')
    writeFileSync(known, this.hosts.map(({ address }) => `${address} ${this.hostKey}\n`).join(''))
    const options = ['BatchMode=yes', 'IdentitiesOnly=yes', `UserKnownHostsFile=${known}`, 'LogLevel=ERROR']
    return ['-F', 'none', '-i', join(this.folder, 'client'), ...options.flatMap((one) => ['-o', one])]
  }

  /** Another machine in the network, without an sshd. */
  async addMachine(name: string): Promise<FleetHost> {
    this.machines += 1
    const number = this.machines
    const namespace = `pgoci${process.pid}-${1000 + number}`
    const address = `${this.subnet}.${number}`
    const store = join(this.folder, name)
    mkdirSync(store)
    const port = `h${number}`
    await command('sh', ['-euc', cable, 'sh', this.namespace, port, namespace, `${address}/24`])
    return { name, address, namespace, store }
  }

  /** The controller's own, which hosts can reach. */
  get address(): string {
    return `${this.subnet}.254`
  }

  /** Bytes so far at the controller's own cable. */
  uplinkTraffic(): Traffic {
    return this.trafficAt('c0')
  }

  traffic({ address }: FleetHost): Traffic {
    return this.trafficAt(`h${address.slice(this.subnet.length + 1)}`)
  }

  /** What a host's sshd has seen so far. */
  counts({ name }: FleetHost): { connections: number; commands: number } {
    const { log = '' } = this.daemons.get(name) ?? {}
    const count = (pattern: RegExp) => log.match(pattern)?.length ?? 0
    return { connections: count(/Accepted publickey/g), commands: count(/Starting session: command/g) }
  }

  /** `dead`: every packet is lost, and nobody is told, as when a machine loses its power. */
  set({ address }: FleetHost, state: 'alive' | 'dead'): void {
    const port = `h${address.slice(this.subnet.length + 1)}`
    // Its address stays known, or the kernel would notice after three seconds that nobody answers for it.
    const neighbour = ['neighbour', state === 'dead' ? 'replace' : 'delete', address, 'dev', this.uplink]
    execFileSync('ip', state === 'dead' ? [...neighbour, 'lladdr', '02:00:00:00:00:01', 'nud', 'permanent'] : neighbour)
    execFileSync('ip', ['-n', this.namespace, 'link', 'set', port, state === 'dead' ? 'down' : 'up'])
  }

  /** Limits the controller's own cable, each way; kept by the kernel (tc-tbf). */
  setRate(megabits: number | undefined): void {
    const ends = [['-n', this.namespace, 'c0'] as const, ['', '', this.uplink] as const]
    for (const [flag, namespace, device] of ends) {
      const words = flag === '' ? [] : [flag, namespace]
      if (megabits === undefined) spawnSync('tc', [...words, 'qdisc', 'delete', 'dev', device, 'root'])
      else {
        const limit = ['rate', `${megabits}mbit`, 'burst', '256kb', 'latency', '100ms']
        execFileSync('tc', [...words, 'qdisc', 'replace', 'dev', device, 'root', 'tbf', ...limit])
      }
    }
  }

  remove(): void {
    process.off('exit', this.removeAtExit)
    for (const { child } of this.daemons.values()) child.kill('SIGKILL')
    for (let number = 0; number <= this.machines; number += 1)
      spawnSync('ip', ['netns', 'delete', `pgoci${process.pid}-${1000 + number}`])
    spawnSync('ip', ['link', 'delete', this.uplink])
    spawnSync('umount', ['--lazy', this.folder], { stdio: 'ignore' })
    rmSync(this.folder, { recursive: true, force: true })
  }

  private get hostKey(): string {
    return readFileSync(join(this.folder, 'host.pub'), 'utf8').trim().split(' ').slice(0, 2).join(' ')
  }

  private async connect(): Promise<void> {
    for (const name of ['host', 'client'])
      await command('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(this.folder, name)])
    mkdirSync(this.root)
    if (!existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 })
    await command('sh', ['-euc', network, 'sh', this.namespace, this.uplink, `${this.subnet}.254/24`])
  }

  private async addHost(name: string): Promise<void> {
    const host = await this.addMachine(name)
    this.hosts.push(host)
    const scratch = join(this.folder, `${name}-tmp`)
    mkdirSync(scratch)
    const settings = [
      `ListenAddress ${host.address}:22`,
      `HostKey ${join(this.folder, 'host')}`,
      `AuthorizedKeysFile ${join(this.folder, 'client.pub')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin yes',
      // A login shell of depth 2 is not sshd's own, so bash leaves the user's .bashrc alone.
      `SetEnv TMPDIR=${scratch} SHLVL=2`,
      // Says which commands are run.
      'LogLevel VERBOSE',
    ]
    const file = join(this.folder, `${name}.conf`)
    writeFileSync(file, settings.map((line) => `${line}\n`).join(''))
    // In the mount namespace that `ip netns exec` makes, all hosts have their own store at the same place.
    const serve = 'mount --bind "$1" "$2" && exec /usr/sbin/sshd -D -e -f "$3"'
    const words = ['netns', 'exec', host.namespace, 'sh', '-c', serve, 'sh', host.store, this.root, file]
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'ip', ...words], { stdio: ['ignore', 'ignore', 'pipe'] })
    const daemon = { child, log: '' }
    this.daemons.set(name, daemon)
    child.stderr.on('data', (chunk) => {
      daemon.log += chunk
    })
    while (!daemon.log.includes('Server listening'))
      if ((await Promise.race([once(child.stderr, 'data'), once(child, 'exit')]))[0] === child.exitCode)
        throw new Error(`sshd of ${name} ended:\n${daemon.log}`)
  }

  private trafficAt(port: string): Traffic {
    const text = execFileSync('ip', ['-n', this.namespace, '-s', '-j', 'link', 'show', port], { encoding: 'utf8' })
    const [{ stats64 }] = JSON.parse(text)
    return { sent: stats64.rx.bytes, received: stats64.tx.bytes }
  }
}

/** $1 the switch's namespace, $2 the controller's end of its cable, $3 the controller's address */
const network = `ip netns add "$1"
ip -n "$1" link add br0 type bridge
ip -n "$1" link set br0 up
ip link add "$2" type veth peer name c0 netns "$1"
ip -n "$1" link set c0 master br0 up
ip address add "$3" dev "$2"
ip link set "$2" up`

/** $1 the switch's namespace, $2 its port, $3 the machine's namespace, $4 its address */
const cable = `ip netns add "$3"
ip -n "$1" link add "$2" type veth peer name eth0 netns "$3"
ip -n "$1" link set "$2" master br0 up
ip -n "$3" address add "$4" dev eth0
ip -n "$3" link set lo up
ip -n "$3" link set eth0 up`
