import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { compress } from '../archive/compress.ts'
import { packTar } from '../archive/pack.ts'
import type { Freed } from '../host/freed.ts'
import { push, type Remote, type StoreTarget } from '../host/store.ts'
import { digestOf, hexOf } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import type { Generation } from './generation.ts'
import type { LoadedMember } from './member.ts'
import { bytesOf } from './objects.ts'
import type { Compression, Objects, Pack, Packing } from './pack.ts'
import type { Record } from './record.ts'
import type { Relay } from './relay.ts'
import { type Transfer, transferMembers } from './stream.ts'

/** A member whose files the host lacks, and which of them it brings. */
export interface Bringer {
  readonly member: LoadedMember
  readonly objects: Objects
}

/** A generation on its way to a host, with all that this host lacks of it. */
export interface Shipment {
  readonly generation: Generation
  readonly record: Record
  /** For the generation's folder, beside ours. */
  readonly files: ReadonlyMap<string, string>
  /** The generation that it follows. */
  readonly expected: number
  readonly compression: Compression
  readonly bringers: readonly Bringer[]
  /** Objects on the host that are damaged and give way. */
  readonly bad: readonly string[]
  readonly trees: Transfer['trees']
  readonly manifests: Transfer['manifests']
}

/**
 * Pushes it: first the packs, one a member, then what only this host gets. Packs that the relay has, the host fetches
 * itself; when it cannot, they are pushed. Returns what the host freed thereby.
 */
export async function send(
  target: StoreTarget,
  shipment: Shipment,
  options: { readonly packing: Packing; readonly relay?: Relay | undefined; readonly signal?: AbortSignal },
): Promise<Freed | undefined> {
  const { bringers, compression } = shipment
  const signal = options.signal ? { signal: options.signal } : {}
  const packs: Pack[] = []
  try {
    for (const { member, objects } of bringers) {
      const contents = () => member.contents(new Set(objects.keys()), signal)
      packs.push(await options.packing(objects, { compression, contents }))
    }
    return await sendPacks(target, shipment, { ...signal, packs, relay: options.relay })
  } finally {
    for (const pack of packs) pack.release()
  }
}

async function sendPacks(
  target: StoreTarget,
  shipment: Shipment,
  options: { readonly packs: readonly Pack[]; readonly relay: Relay | undefined; readonly signal?: AbortSignal },
): Promise<Freed | undefined> {
  const { generation, bringers, bad, trees, manifests, compression } = shipment
  const { packs, relay } = options
  const signal = options.signal ? { signal: options.signal } : {}
  const transaction = randomUUID()
  const transfer: Transfer = {
    transaction,
    written: new Set(bringers.flatMap(({ objects }) => [...objects.values()].flatMap((names) => [...names]))),
    bad,
    trees,
    manifests,
    generation: generationFolder(shipment),
  }
  const rest = () => {
    const tar = packTar(transferMembers(transfer))
    return compression === 'zstd' ? compress(tar) : tar
  }
  const entries = trees.reduce((sum, { tree }) => sum + tree.size, 0)
  const bytes = bringers.reduce((sum, { member, objects }) => sum + bytesOf(objects, member.tree), 0)
  const attempt = (remotes: ReadonlyMap<Pack, Remote>) => {
    const fetched = [...remotes.values()].reduce((sum, { size }) => sum + size, 0)
    const pushed = packs.filter((pack) => !remotes.has(pack))
    return push(
      target,
      {
        transaction,
        expected: shipment.expected,
        next: generation.number,
        distribution: generation.key,
        compression,
        // A tenth for what blocks waste, and a kilobyte for each entry of a folder.
        kilobytes: Math.ceil((bytes * 1.1 + fetched) / 1024) + entries,
        inodes: bringers.reduce((sum, { objects }) => sum + objects.size, 0) + entries,
        stream: inTurn([...pushed.map(({ read }) => read), rest]),
        remotes: [...remotes.values()],
      },
      signal,
    )
  }
  const remotes = new Map<Pack, Remote>()
  for (const pack of packs) {
    const remote = await relay?.offer(pack, compression, signal)
    if (remote) remotes.set(pack, remote)
  }
  try {
    return await attempt(remotes)
  } catch (error) {
    if (!(error instanceof ProviderError) || error.code !== 'RELAY_FAILED') throw error
    relay?.log(`${error.message}: what it has is sent over SSH`)
    return attempt(new Map())
  }
}

/** One stream after the other, each opened in its turn. */
function inTurn(parts: readonly (() => Readable)[]): Readable {
  const all = async function* () {
    for (const open of parts) yield* open() as AsyncIterable<Buffer>
  }
  return Readable.from(all(), { objectMode: false, highWaterMark: 256 * 1024 })
}

/** What a probe looks at without parsing it: `links` and `sums` tell it what the links and the files should be. */
function generationFolder({ generation, record, files }: Shipment) {
  const links = [
    ['root', `../../../../trees/${generation.root.name}`],
    ['live', `../../../../trees/${generation.live.name}`],
    ['distribution', generation.key],
  ] as const
  const text = JSON.stringify(record)
  const texts: [string, string][] = [
    ['record.json', text],
    // The record is the only one of its kind, so there are two.
    ['record.copy', text],
    ['members', record.members.map((member) => `${hexOf(member.treeDigest)}\n`).join('')],
    ['links', links.map((words) => `${words.join(' ')}\n`).join('')],
    ...(record.run === undefined ? [] : [['up', `${record.run}\n`] as [string, string]]),
    ...files,
  ]
  const sums = texts.map(([name, content]) => `${hexOf(digestOf(content))}  ${name}\n`).join('')
  return new Map<string, { link: string } | { text: string }>([
    ...links.map(([name, link]) => [name, { link }] as const),
    ...[...texts, ['sums', sums] as const].map(([name, content]) => [name, { text: content }] as const),
  ])
}
