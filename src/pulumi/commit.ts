import { randomUUID } from 'node:crypto'
import { type AskedOfHost, attach, detach } from '../engine/attach.ts'
import { groupCommit } from '../engine/commit.ts'
import { converge } from '../engine/converge.ts'
import type { Change } from '../engine/declare.ts'
import { loadExtension } from '../engine/extension.ts'
import { clusterOf } from '../engine/installed-image.ts'
import { packing } from '../engine/pack.ts'
import { distributionName, type Member, partOf, type Record } from '../engine/record.ts'
import { openRelay, parseRelay, type Relay } from '../engine/relay.ts'
import { runFiles } from '../engine/resource.ts'
import { describeFreed } from '../host/freed.ts'
import type { Tree } from '../model/tree.ts'
import { defaultCacheFolder } from '../oci/cache.ts'
import { checksEnded } from './checks.ts'
import { signal } from './interrupt.ts'
import { instanceOf } from './married.ts'
import { findInstalled, readDistribution } from './packaged.ts'
import { cache, environment, forget, imageRequest, keyOf, log, type Place, targetOf, who } from './session.ts'
import { verify } from './verify.ts'

const packs = packing(defaultCacheFolder())
const run = randomUUID()

/** @throws ProviderError NOT_MARRIED for members that do not belong together */
type Proof = (place: Place, members: readonly Member[], records: ReadonlyMap<number, Record>) => Promise<void>

const committers = new Map<string, (change: Change) => Promise<readonly Member[]>>()

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
  forget(place)
  const target = await targetOf(place)
  const find = (asked: AskedOfHost) => findInstalled(place, asked)
  const { members, freed } = await converge(target, changes, {
    prove: (members, records) => prove(place, members, records),
    load: async (member) => {
      if (member.name === distributionName) return (await readDistribution(place, knownOf(member))).member
      return (await loadExtension(imageRequest(member.image, member.platform, partOf(member)))).member
    },
    atHand: () => treesAtHand(place),
    leave: async ({ members }) => {
      const installed = installedIn(members)
      if (installed) await detach(target, installed, { find, signal })
    },
    files: (record, generation) => runFiles(place, record, generation),
    who,
    run,
    verify: verify(),
    packing: packs,
    relay: place.relay === undefined ? undefined : relayAt(place.relay),
    signal,
  })
  const installed = installedIn(members)
  if (installed) await attach(target, installed, { find, signal })
  if (freed) log(`${target.transport.name}: ${describeFreed(freed)}`)
  return members
}

/** Of what this run has checked there. */
async function treesAtHand(place: Place): Promise<Tree[]> {
  const { distribution, extensions } = instanceOf(keyOf(place))
  const reads = await Promise.all([distribution, ...extensions.values()].map((one) => one?.read()))
  return reads.flatMap((read) => (read ? [read.member.tree] : []))
}

const relays = new Map<string, Relay>()

/** One for all hosts of a run, which then share what it knows. */
function relayAt(text: string): Relay {
  const relay = relays.get(text) ?? openRelay(parseRelay(text), { environment: environment(), cache })
  relays.set(text, relay)
  return relay
}

/** A member, with what its record says of where its server is. */
export function knownOf(member: Member): Member & { readonly serverDirectory?: unknown } {
  return { ...member, ...(member.facts && 'serverDirectory' in member.facts ? member.facts : {}) }
}

function installedIn(members: readonly Member[]) {
  const distribution = members.find(({ name }) => name === distributionName)
  return distribution && clusterOf(distribution.image) !== undefined ? knownOf(distribution) : undefined
}
