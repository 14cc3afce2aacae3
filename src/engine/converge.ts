import type { Freed } from '../host/freed.ts'
import { probe } from '../host/probe.ts'
import { remove, type StoreTarget } from '../host/store.ts'
import { ProviderError } from '../model/error.ts'
import { type Tree, treeDigest } from '../model/tree.ts'
import { type Change, declare } from './declare.ts'
import { type Generation, planGeneration } from './generation.ts'
import { recordsOf } from './kept.ts'
import type { LoadedMember } from './member.ts'
import { treesOf } from './member-trees.ts'
import { findMissing } from './missing.ts'
import { objectsOf } from './objects.ts'
import type { Packing } from './pack.ts'
import { packMembers } from './pack-members.ts'
import { distributionName, type Member, parseRecord, type Record } from './record.ts'
import type { Relay } from './relay.ts'
import { type Shipment, send } from './send.ts'
import { isThere, planShipment } from './shipment.ts'

const attempts = 3
/** As many are asked for in the first look, which knows nothing yet of what the host's trees have: 70 KB. */
const fewObjects = 1000

export interface ConvergeOptions {
  /** Loads a member that is already declared on the host, when its files must be sent again. */
  readonly load: (member: Member) => Promise<LoadedMember>
  /**
   * Proves that what will be declared belongs together, before anything is written.
   *
   * @param records of the generations that the host keeps
   */
  readonly prove?: (members: readonly Member[], records: ReadonlyMap<number, Record>) => Promise<void>
  /** Before the instance is taken from the host: what leads to it from elsewhere is to be undone. */
  readonly leave?: (before: Record) => Promise<void>
  /** Files for the generation's folder beside ours: how to run a rootfs distribution. */
  readonly files: (record: Record, generation: Generation) => ReadonlyMap<string, string>
  readonly who: string
  /** Trees that this machine has anyway: a host that has them is not asked what is in them. */
  readonly atHand?: () => Promise<readonly Tree[]>
  /** How closely the host is looked at; default `quick`. */
  readonly verify?: 'quick' | 'full'
  /** Of the whole `up`, which may be several commits. */
  readonly run?: string
  readonly packing: Packing
  /** A registry near the host that is to carry the packs. */
  readonly relay?: Relay | undefined
  readonly signal?: AbortSignal
}

export interface Converged {
  readonly members: readonly Member[]
  readonly freed: Freed | undefined
}

/**
 * Makes the instance what it declares now plus `changes`. Nothing to do means one probe and no write. A host that turns
 * out to be another than the probe saw, because someone else changed it or objects are gone that its trees still hold,
 * is looked at again, and more closely.
 *
 * @returns what is declared there now, and what the host freed thereby
 * @throws ProviderError STORE_CHANGED when others were faster three times
 */
export async function converge(
  target: StoreTarget,
  changes: readonly Change[],
  options: ConvergeOptions,
): Promise<Converged> {
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
): Promise<Converged> {
  const { members, shipment, freed } = await prepare(target, changes, options)
  if (shipment === undefined) return { members, freed }
  return { members, freed: await send(target, shipment, options) }
}

/** In a function of its own, so that all it needed is free while the bytes travel, to many hosts at once. */
async function prepare(
  target: StoreTarget,
  changes: readonly Change[],
  options: ConvergeOptions & { readonly isSuspect: boolean },
): Promise<Converged & { readonly shipment?: Shipment }> {
  const signal = options.signal ? { signal: options.signal } : {}
  const place = `${target.root}/instances/${target.instance} on ${target.transport.name}`
  const loaded = new Map<string, LoadedMember>()
  for (const change of changes) if (change.do === 'put') loaded.set(change.member.name, change.loaded)
  const changed = objectsOf([...loaded.values()].map(({ tree }) => tree))
  const asked = changed.size > fewObjects ? [] : [...changed.keys()]
  const reuses = changes.filter((change) => change.do === 'reuse')
  const reused = reuses.map(({ member }) => member)
  const here = [...((await options.atHand?.()) ?? []), ...[...loaded.values()].map(({ tree }) => tree)]
  const atHand = new Map(here.map((tree) => [treeDigest(tree), tree]))
  const seen = await probe(target, {
    verify: options.verify ?? 'quick',
    purpose: options.isSuspect ? 'recheck' : 'change',
    known: atHand.keys(),
    give: reused.map(({ treeDigest }) => treeDigest),
    objects: asked,
    ...signal,
  })
  const before = seen.record === undefined ? undefined : parseRecord(seen.record, target.transport.name)
  const declared = declare(before, changes, place)
  if (declared.members.length === 0) {
    if (before) await options.leave?.(before)
    return { members: [], freed: await remove(target, seen.generation, signal) }
  }

  const load = async (member: Member) => {
    const known = loaded.get(member.name) ?? (await loadAgain(member, { ...options, place }))
    loaded.set(member.name, known)
    return known
  }
  for (const member of reused) if (!isThere(seen, member)) await load(member)
  // An image has the last word on its tree: hosts may lie, and later versions of this package place files elsewhere.
  const members = declared.members.map((member) => ({
    ...member,
    treeDigest: loaded.get(member.name)?.treeDigest ?? member.treeDigest,
  }))
  await options.prove?.(members, recordsOf(seen, target.transport.name))
  const trees = await treesOf(members, { seen, atHand, load })
  const treeOf = (member: Member) => trees.get(member.treeDigest) as Tree
  const layout =
    loaded.get(distributionName)?.layout ??
    reuses.find(({ member }) => member.name === distributionName)?.layout ??
    before?.layout
  const home = `${target.root}/instances/${target.instance}`
  const generation = planGeneration(seen, { before, members, layout, treeOf }, { home, place })
  if (generation.isCurrent) return { members, freed: undefined }

  const { isSuspect } = options
  const next = { generation, before, members, reused, trees, asked, isSuspect }
  const { objects, known, ...planned } = planShipment(seen, next, home)
  const missing = await findMissing(target, objects.keys(), { seen, known, ...signal })
  const lacking = [...objects.values()].filter(({ name }) => missing.has(name) || seen.bad.has(name))
  const compression = seen.compression === 'zstd' ? 'zstd' : 'cat'
  const packed = await packMembers(members, lacking, { ...options, treeOf, load, compression })
  const record: Record = {
    version: 1,
    members,
    ...(declared.rolledBack ? { rolledBack: declared.rolledBack } : {}),
    layout: generation.layout,
    when: new Date().toISOString(),
    who: options.who,
    ...(options.run === undefined ? {} : { run: options.run }),
  }
  const shipment: Shipment = {
    generation,
    record,
    files: options.files(record, generation),
    expected: seen.generation,
    compression,
    ...packed,
    ...planned,
  }
  return { members, freed: undefined, shipment }
}

/** Says why an image is read that a host should have whole, when it cannot be read. */
async function loadAgain(member: Member, options: ConvergeOptions & { readonly place: string }): Promise<LoadedMember> {
  try {
    return await options.load(member)
  } catch (error) {
    if (!(error instanceof ProviderError) || error.code === 'ABORTED') throw error
    throw new ProviderError(
      error.code,
      `Cannot bring back what is missing or damaged in ${options.place}: that needs ${member.image}. ${error.message}`,
      { cause: error },
    )
  }
}
