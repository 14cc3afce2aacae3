import { randomUUID } from 'node:crypto'
import { hostname, userInfo } from 'node:os'
import { groupCommit } from '../engine/commit.ts'
import { converge } from '../engine/converge.ts'
import type { Change } from '../engine/declare.ts'
import { loadDistribution } from '../engine/distribution.ts'
import { loadExtension } from '../engine/extension.ts'
import type { ImageRequest } from '../engine/image.ts'
import { type Names, openNames } from '../engine/names.ts'
import { packing } from '../engine/pack.ts'
import type { Part } from '../engine/part.ts'
import { findPending, pendingLine, renewedLines } from '../engine/pending.ts'
import { connectionPool } from '../engine/pool.ts'
import { distributionName, type Member, partOf, type Record } from '../engine/record.ts'
import { openRelay, parseRelay, type Relay } from '../engine/relay.ts'
import { runFiles } from '../engine/resource.ts'
import type { Probe } from '../host/answer.ts'
import { endpointName, sudoOf } from '../host/connection.ts'
import { describeFreed } from '../host/freed.ts'
import { probe } from '../host/probe.ts'
import type { StoreTarget } from '../host/store.ts'
import { type Digest, parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, platformOfMachine } from '../model/platform.ts'
import { quote } from '../model/quote.ts'
import { parseReference, type Reference } from '../model/reference.ts'
import { defaultCacheFolder, openCache } from '../oci/cache.ts'
import type { Environment } from '../oci/environment.ts'
import { openSource } from '../oci/open.ts'
import { tagLists } from '../oci/tag-lists.ts'
import { checksEnded } from './checks.ts'
import type { DistributionInputs } from './inputs.ts'
import { signal } from './interrupt.ts'
import { lockWait } from './lock-wait.ts'
import { bundle, registries } from './registries.ts'
import { verify } from './verify.ts'

/** What a resource's inputs say of its host. */
export type Place = Pick<DistributionInputs, 'connection' | 'root' | 'instance' | 'relay'> &
  Partial<Pick<DistributionInputs, '__stack'>>

const log = (line: string) => void process.stderr.write(`${line}\n`)
const cache = openCache(undefined, { log })
const pool = connectionPool()
const packs = packing(defaultCacheFolder())
const run = randomUUID()
const who = `${userInfo().username}@${hostname()}`

const environment = (): Environment => ({ settings: registries(), bundle: bundle(), log })

/** @param image pinned, as `name@sha256:…` */
export function imageRequest(image: string, platform: string, part: Part = {}): ImageRequest {
  const reference = parseReference(image)
  return {
    source: openSource(reference, environment()),
    reference,
    digest: parseDigest(reference.digest ?? ''),
    platform,
    part,
    cache,
    signal,
  }
}

/** The digest a reference means now. */
export async function resolve(reference: Reference): Promise<Digest> {
  if (reference.digest !== undefined) return reference.digest
  return (await openSource(reference, environment()).resolve(reference.tag, { signal })).digest
}

const lists = tagLists(cache)

/** Where names of extensions are looked up. */
export function names(): Names {
  return openNames(lists, { environment: environment(), cache, signal })
}

export async function targetOf(place: Place): Promise<StoreTarget> {
  const transport = await pool(place.connection, { signal })
  const { root, instance, __stack: stack } = place
  const holder = stack ? `${who} (${stack})` : who
  const sudo = sudoOf(place.connection)
  return { transport, sudo, root, instance, lockWait: lockWait(), holder, tell: log }
}

export async function platformOfHost(place: Place): Promise<string> {
  const { machine } = await probe(await targetOf(place), { verify: 'none', signal })
  const platform = platformOfMachine(machine)
  if (platform) return formatPlatform(platform)
  throw new ProviderError(
    'WRONG_PLATFORM',
    `Cannot use ${hostName(place)}: its machine type is ${quote(machine)}; set platform, as in "linux/amd64"`,
  )
}

/** @throws ProviderError NOT_MARRIED for members that do not belong together */
type Proof = (place: Place, members: readonly Member[], records: ReadonlyMap<number, Record>) => Promise<void>

const committers = new Map<string, (change: Change) => Promise<readonly Member[]>>()
const observations = new Map<string, Promise<Probe>>()

/** An instance on its host. */
export const keyOf = ({ connection, root, instance }: Place) =>
  JSON.stringify([connection.host, connection.port ?? 22, root, instance])

/**
 * Brings one change to the host, together with whatever else this run wants there.
 *
 * @returns what is declared there then
 */
export function commit(place: Place, change: Change, prove: Proof): Promise<readonly Member[]> {
  const key = keyOf(place)
  const committer =
    committers.get(key) ?? groupCommit((changes) => commitTogether(place, changes, prove), { ready: checksEnded })
  committers.set(key, committer)
  return committer(change)
}

async function commitTogether(place: Place, changes: readonly Change[], prove: Proof): Promise<readonly Member[]> {
  observations.delete(keyOf(place))
  const target = await targetOf(place)
  const { members, freed } = await converge(target, changes, {
    prove: (members, records) => prove(place, members, records),
    load: async (member) => {
      const request = imageRequest(member.image, member.platform, partOf(member))
      const isDistribution = member.name === distributionName
      return isDistribution
        ? (await loadDistribution(request, place.root)).member
        : (await loadExtension(request)).member
    },
    files: (record, generation) => runFiles(place, record, generation),
    who,
    run,
    verify: verify(),
    packing: packs,
    relay: place.relay === undefined ? undefined : relayAt(place.relay),
    signal,
  })
  if (freed) log(`${target.transport.name}: ${describeFreed(freed)}`)
  return members
}

const relays = new Map<string, Relay>()

/** One for all hosts of a run, which then share what it knows. */
function relayAt(text: string): Relay {
  const relay = relays.get(text) ?? openRelay(parseRelay(text), { environment: environment(), cache })
  relays.set(text, relay)
  return relay
}

/** For messages. */
export function hostName({ connection }: Place): string {
  return endpointName(connection)
}

async function look(place: Place): Promise<Probe> {
  const target = await targetOf(place)
  const seen = await probe(target, { verify: verify(), purpose: 'report', signal })
  // No drift, because nothing that `up` does would end it: a person has to.
  const lines = [...findPending(seen).map(pendingLine), ...renewedLines(seen)]
  for (const line of lines.slice(0, 20)) log(`${target.transport.name}, ${place.instance}: ${line}`)
  return seen
}

/** What is on the host; one look for all resources of a run that ask. */
export function observe(place: Place): Promise<Probe> {
  const key = keyOf(place)
  const looking = observations.get(key) ?? look(place)
  observations.set(key, looking)
  looking.catch(() => observations.delete(key))
  return looking
}
