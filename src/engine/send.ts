import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { compress } from '../archive/compress.ts'
import { packTar } from '../archive/pack.ts'
import type { Freed } from '../host/freed.ts'
import { push, type Remote, type StoreTarget } from '../host/store.ts'
import { digestOf, hexOf } from '../model/digest.ts'
import { type Code, ProviderError } from '../model/error.ts'
import { inTurns } from '../oci/shared.ts'
import type { Generation } from './generation.ts'
import { type Compression, type Pack, type Packing, packTrees } from './pack.ts'
import type { Record } from './record.ts'
import type { Relay } from './relay.ts'
import { type Trees, transferMembers, treesMembers } from './stream.ts'

/** A generation on its way to a host, with all that this host lacks of it. */
export interface Shipment {
  readonly generation: Generation
  readonly record: Record
  /** For the generation's folder, beside ours. */
  readonly files: ReadonlyMap<string, string>
  /** The generation that it follows. */
  readonly expected: number
  readonly compression: Compression
  /** The objects that it lacks, a pack for each member, and what they take there. */
  readonly packs: readonly Pack[]
  readonly bytes: number
  /** Objects on the host that are damaged and give way. */
  readonly bad: readonly string[]
  readonly trees: Trees['trees']
  readonly manifests: Trees['manifests']
}

/**
 * Pushes it: first the packs, one a member and one of the trees, then what only this host gets. Packs that the relay
 * has, the host fetches itself; when it cannot, they are pushed. Returns what the host freed thereby.
 */
export async function send(
  target: StoreTarget,
  shipment: Shipment,
  options: { readonly packing: Packing; readonly relay?: Relay | undefined; readonly signal?: AbortSignal },
): Promise<Freed | undefined> {
  const { generation, packs, bytes, bad, trees, manifests, compression } = shipment
  const signal = options.signal ? { signal: options.signal } : {}
  const transaction = randomUUID()
  const hasTrees = trees.length + manifests.length > 0
  const last = hasTrees ? [packTrees(options.packing, { trees, manifests }, { compression, after: packs })] : []
  const shared = [...packs, ...last]
  const rest = () => {
    const own = transferMembers({ transaction, bad, generation: generationFolder(shipment) })
    // A host looks into the folders of trees also when none come.
    const tar = packTar(hasTrees ? own : [...treesMembers({ trees, manifests }, new Set()), ...own])
    return compression === 'zstd' ? compress(tar) : tar
  }
  const entries = trees.reduce((sum, { tree }) => sum + tree.size, 0)
  const attempt = (remotes: ReadonlyMap<Pack, Remote>) => {
    const fetched = [...remotes.values()].reduce((sum, { size }) => sum + size, 0)
    const pushed = shared.filter((pack) => !remotes.has(pack))
    const stream = concatenated([...pushed.map(({ read }) => read), rest])
    const change = {
      transaction,
      expected: shipment.expected,
      next: generation.number,
      distribution: generation.key,
      compression,
      // A tenth for what blocks waste, and a kilobyte for each entry of a folder.
      kilobytes: Math.ceil((bytes * 1.1 + fetched) / 1024) + entries,
      inodes: packs.reduce((sum, { names }) => sum + names.length, 0) + entries,
      stream,
      remotes: [...remotes.values()],
    }
    const begin = () => push(target, change, signal)
    return remotes.size > 0 ? begin() : inLine(stream, begin, options.signal)
  }
  const { relay } = options
  const offer = async (pack: Pack) => [pack, await relay?.offer(pack, compression, signal)] as const
  const offers = await Promise.all(packs.map(offer))
  // What a host fetches is unpacked before what it is sent, and trees need all of their objects.
  if (offers.every(([, remote]) => remote)) offers.push(...(await Promise.all(last.map(offer))))
  const remotes = new Map(offers.flatMap(([pack, remote]) => (remote ? [[pack, remote] as const] : [])))
  try {
    return await attempt(remotes)
  } catch (error) {
    if (!(error instanceof ProviderError) || remotes.size === 0) throw error
    // What an earlier run has told of a pack may be something else, which does not unpack. A host that is lost is not
    // tried again for that, but what it was sent is doubted, too.
    const isDoubted = signsOfAnother.includes(error.code) && (await relay?.doubt([...remotes.keys()], compression))
    if (error.code !== 'RELAY_FAILED' && !(isDoubted && error.code !== 'HOST_UNREACHABLE')) throw error
    relay?.log(`${error.message}: what it has is sent over SSH`)
    return attempt(new Map())
  }
}

/** With which a push ends that got another pack than it should have. */
const signsOfAnother: readonly Code[] = ['STORE_CHANGED', 'DIGEST_MISMATCH', 'HOST_REFUSED', 'HOST_UNREACHABLE']

/** Hosts that are sent to at once. More would share the line, all end late, and wait long for a word on a narrow one. */
const maxUploads = 16
const uploads = inTurns(maxUploads)

/** Begins a push when it is its turn, which ends when the last of its bytes is on the way: others need the line then. */
async function inLine<T>(stream: Readable, begin: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const { pushing } = await uploads(
    'out',
    async () => {
      const pushing = begin()
      const sent = new Promise((resolve) => stream.once('close', resolve))
      await Promise.race([sent, pushing]).catch(() => {})
      return { pushing }
    },
    signal,
  )
  return pushing
}

/** One stream after the other, each opened in its turn. */
function concatenated(parts: readonly (() => Readable)[]): Readable {
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
