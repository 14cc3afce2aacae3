import { randomUUID } from 'node:crypto'
import { compress } from '../archive/compress.ts'
import { packTar } from '../archive/pack.ts'
import { type Probe, probe } from '../host/probe.ts'
import { push, remove, type StoreTarget } from '../host/store.ts'
import { type Digest, hexOf, shortDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { parseManifest } from '../model/manifest.ts'
import type { Tree } from '../model/tree.ts'
import { type Change, declare } from './declare.ts'
import { type Generation, planGeneration } from './generation.ts'
import type { Content, LoadedMember } from './member.ts'
import { bringsAny, bytesOf, damagedObjects, namesByDigest, objectsOf } from './objects.ts'
import { distributionName, type Member, parseRecord, type Record } from './record.ts'
import { transferMembers } from './stream.ts'

const attempts = 3

export interface ConvergeOptions {
  /** Loads a member that is already declared on the host, when its files must be sent again. */
  readonly load: (member: Member) => Promise<LoadedMember>
  /** Files for the generation's folder beside ours: how to run a rootfs distribution. */
  readonly files: (record: Record, generation: Generation) => ReadonlyMap<string, string>
  readonly who: string
  readonly signal?: AbortSignal
}

/**
 * Makes the instance what it declares now plus `changes`. Nothing to do means one probe and no write. A host that turns
 * out to be another than the probe saw, because someone else changed it or objects are gone that its trees still hold,
 * is looked at again, and more closely.
 *
 * @throws ProviderError STORE_CHANGED when others were faster three times
 */
export async function converge(target: StoreTarget, changes: readonly Change[], options: ConvergeOptions) {
  for (let count = 1; ; count += 1) {
    try {
      return await attempt(target, changes, { ...options, isSuspect: count > 1 })
    } catch (error) {
      const isOvertaken = error instanceof ProviderError && error.code === 'STORE_CHANGED'
      if (!isOvertaken || count === attempts) throw error
    }
  }
}

async function attempt(
  target: StoreTarget,
  changes: readonly Change[],
  options: ConvergeOptions & { readonly isSuspect: boolean },
): Promise<void> {
  const signal = options.signal ? { signal: options.signal } : {}
  const place = `${target.root}/instances/${target.instance} on ${target.transport.name}`
  const loaded = new Map<string, LoadedMember>()
  for (const change of changes) if (change.do === 'put') loaded.set(change.member.name, change.loaded)
  const changed = objectsOf([...loaded.values()].map(({ tree }) => tree))
  const seen = await probe(target, { verify: 'quick', objects: changed.keys(), ...signal })
  const before = seen.record === undefined ? undefined : parseRecord(seen.record, target.transport.name)
  const members = declare(before?.members ?? [], changes, place)
  if (members.length === 0) return remove(target, seen.generation, signal)

  const load = async (member: Member) => {
    const known = loaded.get(member.name) ?? (await options.load(member))
    loaded.set(member.name, known)
    return known
  }
  const trees = await treesOf(members, { seen, loaded, load })
  const treeOf = (member: Member) => trees.get(member.treeDigest) as Tree
  const layout = loaded.get(distributionName)?.layout ?? before?.layout
  const home = `${target.root}/instances/${target.instance}`
  const generation = planGeneration(seen, { before, members, layout, treeOf }, { home, place })
  if (generation.isCurrent) return

  // Objects that nobody damaged and that only unchanged members bring are on the host; else all are asked for.
  const all = objectsOf([generation.root.tree, generation.live.tree])
  const isSuspect = options.isSuspect || seen.deviations.size > 0
  const asked = isSuspect ? await probe(target, { verify: 'none', objects: all.keys(), ...signal }) : seen
  const damaged = damagedObjects([...seen.deviations.values()].flat())
  const objects = namesByDigest([...all.values()].filter(({ name }) => asked.missing.has(name) || damaged.has(name)))
  const bringers: LoadedMember[] = []
  for (const member of members) if (bringsAny(treeOf(member), objects)) bringers.push(await load(member))

  const record: Record = {
    version: 1,
    members: [...members],
    layout: generation.layout,
    when: new Date().toISOString(),
    who: options.who,
  }
  const transaction = randomUUID()
  const newTrees = [generation.root, generation.live].filter(({ isNew }) => isNew)
  // The probe has proven the others to be there, and their hashes make megabytes that do not compress.
  const newMembers = members.filter(({ treeDigest }) => !seen.manifests.has(treeDigest))
  const manifests = isSuspect
    ? [generation.root.tree, generation.live.tree, ...members.map(treeOf)]
    : [...newTrees.map(({ tree }) => tree), ...newMembers.map(treeOf)]
  const stream = transferMembers(
    {
      transaction,
      objects,
      bad: [...damaged].filter((name) => all.has(name)),
      trees: new Map(newTrees.map(({ name, tree }) => [name, tree])),
      manifests,
      generation: generationFolder(generation, record, options.files(record, generation)),
    },
    missingContents(objects, bringers, signal),
  )
  const entries = newTrees.reduce((sum, { tree }) => sum + tree.size, 0)
  const loadedTrees = [...loaded.values()].map(({ tree }) => tree)
  // A tenth for what blocks waste, and a kilobyte for each entry of a folder.
  const kilobytes = Math.ceil((bytesOf(loadedTrees, objects) * 1.1) / 1024) + entries
  await push(
    target,
    {
      transaction,
      expected: seen.generation,
      next: generation.number,
      distribution: generation.key,
      compression: seen.compression === 'zstd' ? 'zstd' : 'cat',
      kilobytes,
      inodes: objects.size + entries,
      stream: seen.compression === 'zstd' ? compress(packTar(stream)) : packTar(stream),
    },
    signal,
  )
}

async function treesOf(
  members: readonly Member[],
  from: {
    readonly seen: Probe
    readonly loaded: ReadonlyMap<string, LoadedMember>
    readonly load: (member: Member) => Promise<LoadedMember>
  },
): Promise<Map<Digest, Tree>> {
  const trees = new Map<Digest, Tree>()
  for (const [digest, text] of from.seen.manifests) trees.set(digest, parseManifest(text))
  for (const one of from.loaded.values()) trees.set(one.treeDigest, one.tree)
  for (const member of members) {
    if (!trees.has(member.treeDigest)) trees.set(member.treeDigest, (await from.load(member)).tree)
  }
  return trees
}

function generationFolder(generation: Generation, record: Record, files: ReadonlyMap<string, string>) {
  return new Map<string, { link: string } | { text: string }>([
    ['record.json', { text: JSON.stringify(record) }],
    ['members', { text: record.members.map((member) => `${hexOf(member.treeDigest)}\n`).join('') }],
    ['root', { link: `../../../../trees/${generation.root.name}` }],
    ['live', { link: `../../../../trees/${generation.live.name}` }],
    ['distribution', { link: generation.key }],
    ...[...files].map(([name, text]) => [name, { text }] as const),
  ])
}

async function* missingContents(
  objects: ReadonlyMap<Digest, ReadonlySet<string>>,
  members: readonly LoadedMember[],
  options: { signal?: AbortSignal },
): AsyncIterable<Content> {
  const open = new Set(objects.keys())
  for (const member of members) {
    if (open.size === 0) return
    for await (const content of member.contents(open, options)) {
      open.delete(content.digest)
      yield content
    }
  }
  const [first] = open
  if (first === undefined) return
  throw new ProviderError('BAD_IMAGE', `Cannot find the content ${shortDigest(first)} in any declared image`)
}
