import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { constants, createZstdCompress } from 'node:zlib'
import { type Deviation, type Probe, probe, push, remove, type StoreTarget } from '../host/store.ts'
import { packTar } from '../layer/pack.ts'
import { type Digest, hexOf, shortDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { emptyFile, parseManifest } from '../model/manifest.ts'
import { objectName, type Tree, treeDigest } from '../model/tree.ts'
import type { Content, LoadedMember } from './member.ts'
import { merge } from './merge.ts'
import { distributionName, type Member, parseRecord, type Record } from './record.ts'
import { transferMembers } from './stream.ts'

/** One wish of one resource. */
export type Change =
  | { readonly do: 'put'; readonly member: Omit<Member, 'treeDigest'>; readonly loaded: LoadedMember }
  | { readonly do: 'delete'; readonly name: string; readonly token: string }

export interface ConvergeOptions {
  /** Loads a member that is already declared on the host, when its files must be sent again. */
  readonly load: (member: Member) => Promise<LoadedMember>
  /** Files for the generation folder beside ours, from the layout: the systemd unit. */
  readonly extras: (layout: Record['layout'], treeDirectory: string) => ReadonlyMap<string, string>
  readonly who: string
  readonly signal?: AbortSignal
}

/** Makes the instance what it declares now plus `changes`. Nothing to do means one probe and no write. */
export async function converge(
  target: StoreTarget,
  changes: readonly Change[],
  options: ConvergeOptions,
): Promise<void> {
  const signal = options.signal ? { signal: options.signal } : {}
  const loaded = new Map<string, LoadedMember>()
  const wanted = new Set<string>()
  for (const change of changes) {
    if (change.do !== 'put') continue
    loaded.set(change.member.name, change.loaded)
    for (const object of objectsOf([change.loaded.tree]).values()) wanted.add(object)
  }
  const seen = await probe(target, { verify: 'quick', objects: wanted, ...signal })
  const before = seen.record === undefined ? undefined : parseRecord(seen.record, target.transport.name)
  const members = applyChanges(before?.members ?? [], changes, target)
  if (members.length === 0) return remove(target, seen.generation, signal)

  const trees = new Map<Digest, Tree>([...seen.manifests].map(([digest, text]) => [digest, parseManifest(text)]))
  for (const one of loaded.values()) trees.set(one.treeDigest, one.tree)
  const load = async (member: Member) => {
    const known = loaded.get(member.name) ?? (await options.load(member))
    loaded.set(member.name, known)
    return known
  }
  for (const member of members) {
    if (!trees.has(member.treeDigest)) trees.set(member.treeDigest, (await load(member)).tree)
  }
  const layout = loaded.get(distributionName)?.layout ?? before?.layout
  const distribution = members.find(({ name }) => name === distributionName)
  if (layout === undefined || distribution === undefined) throw noDistribution(target)

  const key = hexOf(distribution.digest).slice(0, 16)
  const treeOf = (member: Member) => trees.get(member.treeDigest) as Tree
  const merged = merge(
    // What was built for another major waits, declared, until its own update comes.
    members
      .filter(({ major }) => major === undefined || major === distribution.major)
      .map((member) => ({ name: member.name, image: member.image, tree: treeOf(member) })),
    { livePath: `${target.root}/instances/${target.instance}/live/${key}`, ...layout },
  )
  const root = chooseTree(merged.root, seen, 'root')
  const live = chooseTree(merged.live, seen, 'live')
  const current = new Map(
    seen.trees.filter((one) => one.generation === seen.generation).map((one) => [one.role, one.name]),
  )
  const unchanged = before && sameMembers(before.members, members)
  if (unchanged && root.name === current.get('root') && live.name === current.get('live')) return

  const all = objectsOf([merged.root, merged.live])
  const damaged = seen.deviations.size > 0
  const recheck = damaged ? await probe(target, { verify: 'none', objects: all.values(), ...signal }) : undefined
  const bad = damagedObjects([...seen.deviations.values()].flat()).filter((name) => [...all.values()].includes(name))
  const missing = new Set([...(recheck ?? seen).missing, ...bad])
  const objects = new Map<Digest, Set<string>>()
  let bytes = 0
  for (const [id, name] of all) {
    if (!missing.has(name)) continue
    const digest = id.split(' ')[0] as Digest
    objects.set(digest, (objects.get(digest) ?? new Set()).add(name))
    bytes += sizes(loaded).get(digest) ?? 0
  }

  const transaction = randomUUID()
  const next = seen.last + 1
  const record: Record = { version: 1, members: [...members], layout, when: new Date().toISOString(), who: options.who }
  const newTrees = new Map([root, live].filter((one) => one.isNew).map((one) => [one.name, one.tree]))
  const stream = transferMembers(
    {
      transaction,
      objects,
      bad,
      trees: newTrees,
      manifests: [merged.root, merged.live, ...members.map(treeOf)],
      generation: new Map<string, { link: string } | { text: string }>([
        ['record.json', { text: JSON.stringify(record) }],
        ['members', { text: members.map((member) => `${hexOf(member.treeDigest)}\n`).join('') }],
        ['root', { link: `../../../../trees/${root.name}` }],
        ['live', { link: `../../../../trees/${live.name}` }],
        ['distribution', { link: key }],
        ...[...options.extras(layout, `${target.root}/trees/${root.name}`)].map(
          ([name, text]) => [name, { text }] as const,
        ),
      ]),
    },
    missingContents(
      objects,
      members.filter((member) => bringsAny(treeOf(member), objects)),
      load,
      signal,
    ),
  )
  const entries = [...newTrees.values()].reduce((sum, tree) => sum + tree.size, 0)
  await push(
    target,
    {
      transaction,
      expected: seen.generation,
      next,
      distribution: key,
      compression: seen.compression === 'zstd' ? 'zstd' : 'cat',
      kilobytes: Math.ceil((bytes * 1.1) / 1024) + entries,
      inodes: objects.size + entries,
      stream: compress(packTar(stream), seen.compression),
    },
    signal,
  )
}

function compress(stream: Readable, compression: Probe['compression']): Readable {
  if (compression !== 'zstd') return stream
  const level = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
  const compressor = createZstdCompress(level)
  stream.once('error', (error) => compressor.destroy(error))
  return stream.pipe(compressor)
}

async function* missingContents(
  objects: ReadonlyMap<Digest, ReadonlySet<string>>,
  members: readonly Member[],
  load: (member: Member) => Promise<LoadedMember>,
  options: { signal?: AbortSignal },
): AsyncIterable<Content> {
  const open = new Set(objects.keys())
  for (const member of members) {
    if (open.size === 0) return
    for await (const content of (await load(member)).contents(open, options)) {
      open.delete(content.digest)
      yield content
    }
  }
  if (open.size > 0) {
    const [first] = open
    throw new ProviderError(
      'BAD_IMAGE',
      `Cannot find the content ${shortDigest(first as Digest)} in any declared image`,
    )
  }
}

function bringsAny(tree: Tree, objects: ReadonlyMap<Digest, unknown>): boolean {
  return [...tree.values()].some((entry) => entry.kind === 'file' && objects.has(entry.digest))
}

function sizes(loaded: ReadonlyMap<string, LoadedMember>): Map<Digest, number> {
  const result = new Map<Digest, number>()
  for (const { tree } of loaded.values()) {
    for (const entry of tree.values()) if (entry.kind === 'file') result.set(entry.digest, entry.size)
  }
  return result
}

/** `digest permission` → object name, without empty files. */
function objectsOf(trees: readonly Tree[]): Map<string, string> {
  const result = new Map<string, string>()
  for (const tree of trees) {
    for (const entry of tree.values()) {
      if (entry.kind !== 'file' || entry.digest === emptyFile) continue
      result.set(`${entry.digest} ${entry.executable}`, objectName(entry))
    }
  }
  return result
}

function damagedObjects(deviations: readonly Deviation[]): string[] {
  return deviations
    .filter(({ side, kind }) => side === 'want' && kind === 'f')
    .map(({ value, mode }) => `${value.slice(0, 2)}/${value}${mode === '555' ? '.x' : ''}`)
    .filter((name) => /^[0-9a-f]{2}\/[0-9a-f]{64}(\.x)?$/.test(name))
}

function chooseTree(tree: Tree, seen: Probe, role: string): { name: string; tree: Tree; isNew: boolean } {
  const hex = hexOf(treeDigest(tree))
  const whole = seen.trees.find(
    (one) => one.role === role && one.name.startsWith(hex) && !seen.deviations.has(one.name),
  )
  if (whole) return { name: whole.name, tree, isNew: false }
  const taken = seen.trees.some((one) => one.name.startsWith(hex))
  return { name: taken ? `${hex}-${seen.last + 1}` : hex, tree, isNew: true }
}

function applyChanges(before: readonly Member[], changes: readonly Change[], target: StoreTarget): Member[] {
  const members = new Map(before.map((member) => [member.name, member]))
  for (const change of changes) {
    if (change.do === 'put') {
      members.set(change.member.name, { ...change.member, treeDigest: change.loaded.treeDigest })
    } else if (members.get(change.name)?.token === change.token) members.delete(change.name)
  }
  if (members.size > 0 && !members.has(distributionName)) {
    if (!before.some(({ name }) => name === distributionName)) throw noDistribution(target)
    const names = [...members.keys()].join(', ')
    throw new ProviderError(
      'CONFLICT',
      `Cannot remove Postgres ${target.instance} from ${target.transport.name}: extensions are still declared on it: ${names}; remove them first`,
    )
  }
  return [...members.values()].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}

function rank(member: Member): number {
  return member.name === distributionName ? 0 : 1
}

function noDistribution(target: StoreTarget): ProviderError {
  return new ProviderError(
    'NOT_FOUND',
    `Cannot install on ${target.transport.name}: there is no distribution in ${target.root}/instances/${target.instance}; run pulumi up --refresh, which installs it again`,
  )
}

function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  return JSON.stringify(a.map(sorted)) === JSON.stringify(b.map(sorted))
}

function sorted(member: Member): unknown {
  return Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))
}
