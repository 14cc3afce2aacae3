import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LoadedMember } from '../../src/engine/member.ts'
import { merge } from '../../src/engine/merge.ts'
import { distributionName } from '../../src/engine/record.ts'
import { liveKey } from '../../src/engine/resource.ts'
import { remove, type StoreTarget } from '../../src/host/store.ts'
import type { Transport } from '../../src/host/transport.ts'
import { hexOf } from '../../src/model/digest.ts'
import { treeDigest } from '../../src/model/tree.ts'
import { command } from '../support/command.ts'
import { generationOf, install, targetAt } from '../support/store.ts'
import type { Images } from './images.ts'

/** Where a store is, and the ways to it. */
export interface Place {
  /** Holds the store and all that the faults need, as this machine and as the host call it. */
  readonly folder: string
  readonly hostFolder: string
  /** The store, as this machine and as the host call it. */
  readonly root: string
  readonly hostRoot: string
  /** The host's folder for temporary files. */
  readonly temporary: string
  /** Every program that works on the host has this file locked; see {@link marked}. */
  readonly marker: string
  readonly transport: Transport
}

/** A store, what it should hold, and what lies around it. */
export class World {
  readonly place: Place
  /** Instance → what was declared for it last. */
  private readonly declared = new Map<string, Images>()
  private readonly members = new Map<string, LoadedMember>()
  private readonly neighbour: string
  private daemon: ChildProcess | undefined
  turn = 0

  constructor(place: Place) {
    this.place = place
    this.neighbour = join(place.root, '..', 'neighbour')
    mkdirSync(this.neighbour, { recursive: true })
    writeFileSync(join(this.neighbour, 'file'), 'not ours')
    execFileSync('sync', ['-f', this.neighbour])
  }

  target(instance: string, transport = this.place.transport): StoreTarget {
    return targetAt(this.place.hostRoot, transport, { instance, lockWait: 60 })
  }

  /** Says what an instance shall hold; nothing: that it shall go. */
  declare(instance: string, images: Images | undefined): void {
    for (const one of Object.values(images ?? {})) this.members.set(one.treeDigest, one)
    if (images === undefined) this.declared.delete(instance)
    else this.declared.set(instance, { ...this.declared.get(instance), ...images })
  }

  /** Makes an instance what was declared, or only these parts of it. */
  async converge(instance: string, transport?: Transport, parts = this.declared.get(instance)): Promise<void> {
    const target = this.target(instance, transport)
    if (parts !== undefined) {
      const load = async ({ treeDigest }: { treeDigest: string }) => this.members.get(treeDigest) as LoadedMember
      await install(target, parts, { load })
      return
    }
    // Also when it is gone: a removal that was killed may have left what it has to collect.
    await remove(target, await generationOf(target))
  }

  get instances(): readonly string[] {
    return [...new Set([...this.declared.keys(), 'main', 'extra'])]
  }

  /** What servers of an instance shall see, as a snapshot says it. */
  wanted(instance: string): string | undefined {
    const images = this.declared.get(instance)
    const distribution = images?.[distributionName]
    if (images === undefined || distribution?.layout === undefined) return undefined
    const livePath = `${this.place.hostRoot}/instances/${instance}/live/${liveKey(distribution)}`
    const placed = Object.entries(images).map(([name, one]) => ({ name, image: one.image, tree: one.tree }))
    const ordered = placed.sort((a, b) => (a.name === distributionName ? -1 : b.name === distributionName ? 1 : 0))
    const { root, live } = merge(ordered, { livePath, ...distribution.layout })
    return [root, live].map((tree) => hexOf(treeDigest(tree))).join(' ')
  }

  /** Starts a program that runs from the current root, and from then on keeps its tree: as a user whom the host sees. */
  async startDaemon(user: { readonly uid?: number; readonly gid?: number } = {}): Promise<void> {
    const program = join(this.place.root, 'instances/main/root/bin/daemon')
    this.daemon = spawn(program, ['infinity'], { stdio: 'ignore', ...user })
    await once(this.daemon, 'spawn')
  }

  /** Trees that programs of this machine execute or map. */
  get used(): readonly string[] {
    const inStore = new RegExp(`${this.place.root}/trees/([^/]+)/`, 'g')
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => [...mapsOf(pid).matchAll(inStore)].map(([, tree = '']) => tree))
  }

  /** What lies beside the store, in words that change when it does. */
  describeSurroundings(): string {
    return [this.neighbour, join(this.neighbour, 'file')]
      .map((path) => `${path} ${statSync(path).ino} ${statSync(path).ctimeMs}`)
      .concat(
        readdirSync(join(this.place.root, '..')).filter((name) => !['store', 'filler', 'somebody'].includes(name)),
      )
      .join('\n')
  }

  /**
   * What a run has left where it gathers what comes, in the host's folder for temporary files, and, when nothing is
   * declared any more, in the store.
   */
  get litter(): readonly string[] {
    const { root } = this.place
    const staging = join(root, 'staging')
    return [
      ...(existsSync(staging) ? readdirSync(staging) : []).map((name) => `staging/${name}`),
      ...(this.declared.size > 0 ? [] : readdirSync(root).filter((name) => name !== 'FORMAT' && name !== 'lock')),
      ...readdirSync(this.place.temporary)
        .filter((name) => name.startsWith('pgoci'))
        .map((name) => `temporary file ${name}`),
    ]
  }

  /** Resolves when nothing that was started on the host runs any more, whoever started it. */
  async quiet(): Promise<void> {
    await command('flock', [this.place.marker, 'true'])
  }

  /** A host that never heard of us. */
  clear(): void {
    rmSync(this.place.root, { recursive: true, force: true })
    this.declared.clear()
  }

  async close(): Promise<void> {
    await this.quiet()
    if (this.daemon === undefined) return
    this.daemon.kill('SIGKILL')
    await once(this.daemon, 'exit')
  }
}

/** What a process executes is mapped, too; empty when it has ended. */
function mapsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/maps`, 'utf8')
  } catch {
    return ''
  }
}

/** A transport whose programs can be waited for even when it is gone. */
export function marked(transport: Transport, marker: string): Transport {
  return {
    ...transport,
    exec: (line, options) => transport.exec(`exec 8>>${marker}; flock -s 8; ${line}`, options),
  }
}

/** The folders of a world; anybody may write where the host's programs must. */
export function makeFolders(folder: string): { parent: string; temporary: string; marker: string } {
  const [parent, temporary] = [join(folder, 'disk'), join(folder, 'tmp')]
  for (const one of [parent, temporary]) {
    mkdirSync(one)
    chmodSync(one, 0o1777)
  }
  chmodSync(folder, 0o1777)
  const marker = join(folder, 'marker')
  writeFileSync(marker, '')
  chmodSync(marker, 0o666)
  return { parent, temporary, marker }
}
