import { damageOf, findMember, recordsOf } from '../engine/kept.ts'
import type { LoadedMember } from '../engine/member.ts'
import { once } from '../engine/once.ts'
import { type Part, toPart } from '../engine/part.ts'
import { distributionName, type Facts, type Member, type Record } from '../engine/record.ts'
import type { Probe } from '../host/answer.ts'
import { type ProbeOptions, probe } from '../host/probe.ts'
import { parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { parseManifest } from '../model/manifest.ts'
import type { Tree } from '../model/tree.ts'
import { absentSource } from '../oci/absent.ts'
import type { ImageFacts } from '../postgres/facts.ts'
import type { ExtensionInputs } from './inputs.ts'
import { signal } from './interrupt.ts'
import type { Inputs, Kind, Pinned, ReadImage, Values } from './kind.ts'
import { hostName, imageRequest, keyOf, type Place, targetOf } from './session.ts'
import { verify } from './verify.ts'

/** An image, whoever told: read by us, or installed before and kept by the host. */
export interface Found {
  readonly member: Pick<Member, 'digest' | 'image' | 'platform' | 'major' | 'treeDigest'>
  readonly facts: Facts
  /** Of a distribution. */
  readonly layout: Record['layout'] | undefined
  /** Its files, placed; those that the host told have no sizes. */
  readonly tree: Tree
  /** Absent when the host told: then the image is only read if the host turns out to lack some of it. */
  readonly loaded?: LoadedMember
  /** What its bytes say; absent when the host told. */
  readonly image?: ImageFacts
}

/**
 * Finds a pinned image where it costs least: in this machine's cache, on the host that has had it before, at its
 * registry. What a host says is used for this host only (docs/decisions.md), and for nothing that the state knows better.
 *
 * @param proven the digest of its tree, where an earlier run has proven it
 */
export async function findImage(kind: Kind, inputs: Inputs & Pinned, proven?: unknown): Promise<Found> {
  const own = await kind.own?.(inputs)
  if (own) return foundOf(own)
  const cached = await findCached(kind, inputs)
  if (cached) return cached
  const kept = await findKept(kind, inputs)
  const isTrue = kept !== undefined && (typeof proven !== 'string' || proven === kept.found.member.treeDigest)
  if (isTrue && kept.damage === 0) return kept.found
  try {
    return await read(kind, inputs)
  } catch (error) {
    if (!isTrue || !(error instanceof ProviderError)) throw error
    const why = `${hostName(inputs)} has had it, but ${kept.damage} of its files are missing or damaged there, so the image is needed again`
    throw new ProviderError(error.code, `${error.message}; ${why}`, { cause: error })
  }
}

/** The same without any registry: undefined where neither this machine nor the host has it. */
export async function findAtHand(kind: Kind, inputs: Inputs & Pinned): Promise<Found | undefined> {
  return (await findCached(kind, inputs)) ?? (await findKept(kind, inputs, { from: told }))?.found
}

/** What a host told last: it is asked for again at once, for who reviews the change, and manifests are large. */
const told = new Map<string, Probe>()

const isDistribution = (kind: Kind, inputs: Inputs) => kind.nameOf(inputs as unknown as Values) === distributionName

async function findCached(kind: Kind, inputs: Inputs & Pinned): Promise<Found | undefined> {
  const request = imageRequest(inputs.image, inputs.platform)
  const cached = { ...request, source: absentSource(request.source) }
  const isCached = await kind.read(cached, inputs).then(
    () => true,
    () => false,
  )
  signal.throwIfAborted()
  // Its metadata are here, and what was made of it; its contents may have to be fetched.
  return isCached ? read(kind, inputs) : undefined
}

async function read(kind: Kind, inputs: Inputs & Pinned): Promise<Found> {
  return foundOf(await kind.read(imageRequest(inputs.image, inputs.platform), inputs))
}

/** What was read, as it is told. */
export function foundOf({ member, facts, image }: ReadImage): Found {
  return { member, facts, layout: member.layout, tree: member.tree, loaded: member, image }
}

/** One of each for all resources of a run; a host that does not answer is not waited for again. */
const looks = new Map<string, Promise<Probe | undefined>>()

function askedOnce(place: Place, what: Pick<ProbeOptions, 'verify' | 'purpose'>): Promise<Probe | undefined> {
  return once(looks, JSON.stringify([keyOf(place), what]), () =>
    targetOf(place)
      .then((target) => probe(target, { ...what, signal }))
      .catch(() => undefined),
  )
}

/** Which generations a host keeps; undefined when it does not answer. */
export function look(place: Place): Promise<Probe | undefined> {
  return askedOnce(place, { verify: 'none', purpose: 'report' })
}

/** The same, and what of them is damaged. */
const inspect = (place: Place) => askedOnce(place, { verify: verify(), purpose: 'recheck' })

/** @param options.from what was told before; else the host is asked */
async function findKept(
  kind: Kind,
  inputs: Inputs & Pinned,
  { from }: { readonly from?: ReadonlyMap<string, Probe> } = {},
): Promise<{ found: Found; damage: number } | undefined> {
  const seen = await look(inputs)
  signal.throwIfAborted()
  if (seen === undefined) return undefined
  const records = recordsOf(seen, hostName(inputs))
  const wanted = {
    digest: parseDigest(inputs.digest),
    platform: inputs.platform,
    isDistribution: isDistribution(kind, inputs),
    // What an image adds to its base is not known before it was read: then `baseLayers` is not there yet.
    part: toPart(inputs as Part),
  }
  const found = findMember(records, wanted)
  const facts = found?.member.facts
  if (found === undefined || facts === undefined) return undefined
  const { treeDigest } = found.member
  const key = (tree: string) => `${keyOf(inputs)} ${tree}`
  // That which it takes the place of is asked for along with it, for who reviews the change.
  const [current] = records.values()
  const own = kind.nameOf(inputs as unknown as Values)
  const former = current?.members.find(({ name }) => name === own)?.treeDigest ?? treeDigest
  const give = [...new Set([treeDigest, former])]
  const asking = async () => probe(await targetOf(inputs), { verify: 'none', purpose: 'report', give, signal })
  const given = from?.get(key(treeDigest)) ?? (await asking().catch(() => undefined))
  const inspected = given && (await inspect(inputs))
  signal.throwIfAborted()
  told.clear()
  if (given) for (const tree of give) told.set(key(tree), given)
  const manifest = given?.manifests.get(treeDigest)
  const damage = given && inspected && damageOf(treeDigest, given, inspected)
  if (manifest === undefined || damage === undefined) return undefined
  const layout = wanted.isDistribution ? found.layout : undefined
  const tree = parseManifest(manifest)
  return { damage, found: { member: found.member, facts: takenOn(facts, inputs), layout, tree } }
}

/** The same, with what this program takes on in place of what an earlier one did. */
export function takenOn(facts: Facts, inputs: Inputs): Facts {
  if (!('provides' in facts)) return facts
  const { overrides: _former, ...others } = facts
  const { overrides } = inputs as ExtensionInputs
  return { ...others, ...(overrides?.length ? { overrides } : {}) }
}
