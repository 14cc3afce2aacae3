import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { command } from './command.ts'

let links = 0

/** A network namespace with an address, and the cable to it: what a host of its own has. */
export class VethLink {
  /** Of the namespace, and of this end of the cable. */
  readonly name: string
  /** Of the other end. */
  readonly address: string
  private readonly gateway: string

  constructor() {
    links += 1
    this.name = `pgoci${process.pid}-${links}`
    // 198.18.0.0/15 is for tests (RFC 2544); a /30 of its first half for each link, sixteen links a process.
    const block = ((process.pid % 1024) * 16 + (links % 16)) * 4
    const at = (offset: number) => `198.18.${((block + offset) >> 8) & 255}.${(block + offset) & 255}`
    this.gateway = at(1)
    this.address = at(2)
  }

  async connect(): Promise<void> {
    sweepNamespaces()
    const inside = ['netns', 'exec', this.name, 'ip']
    await command('ip', ['netns', 'add', this.name])
    await command('ip', ['link', 'add', this.name, 'type', 'veth', 'peer', 'name', 'host0', 'netns', this.name])
    await command('ip', ['address', 'add', `${this.gateway}/30`, 'dev', this.name])
    await command('ip', [...inside, 'address', 'add', `${this.address}/30`, 'dev', 'host0'])
    for (const device of ['lo', 'host0']) await command('ip', [...inside, 'link', 'set', device, 'up'])
    this.set('up')
  }

  /** `down` is a pulled cable: neither side is told. */
  set(state: 'up' | 'down'): void {
    execFileSync('ip', ['link', 'set', this.name, state])
  }

  /** What was never made is no error. */
  remove(): void {
    spawnSync('ip', ['netns', 'delete', this.name])
    spawnSync('ip', ['link', 'delete', this.name])
  }
}

/** Takes away the namespaces of test processes that were killed; their cables go with them. */
export function sweepNamespaces(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  for (const [name, pid] of stdout.matchAll(/\bpgoci(\d+)-\d+/g)) {
    if (!existsSync(`/proc/${pid}`)) spawnSync('ip', ['netns', 'delete', name])
  }
}
