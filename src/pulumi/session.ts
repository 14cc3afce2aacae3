import { hostname, userInfo } from 'node:os'
import type { ImageRequest } from '../engine/image.ts'
import { type Names, openNames } from '../engine/names.ts'
import { once } from '../engine/once.ts'
import type { Part } from '../engine/part.ts'
import { findPending, pendingLine, renewedLines } from '../engine/pending.ts'
import { connectionPool } from '../engine/pool.ts'
import type { Probe } from '../host/answer.ts'
import { endpointName, sudoOf } from '../host/connection.ts'
import { probe } from '../host/probe.ts'
import type { StoreTarget } from '../host/store.ts'
import { type Digest, parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, platformOfMachine } from '../model/platform.ts'
import { quote } from '../model/quote.ts'
import { parseReference, type Reference } from '../model/reference.ts'
import { openCache } from '../oci/cache.ts'
import type { Environment } from '../oci/environment.ts'
import { openSource } from '../oci/open.ts'
import { tagLists } from '../oci/tag-lists.ts'
import type { DistributionInputs } from './inputs.ts'
import { signal } from './interrupt.ts'
import { lockWait } from './lock-wait.ts'
import { bundle, registries } from './registries.ts'
import { verify } from './verify.ts'

/** What a resource's inputs say of its host. */
export type Place = Pick<DistributionInputs, 'connection' | 'root' | 'instance' | 'relay'> &
  Partial<Pick<DistributionInputs, '__stack'>>

export const log = (line: string) => void process.stderr.write(`${line}\n`)
export const cache = openCache(undefined, { log })
const pool = connectionPool()
export const who = `${userInfo().username}@${hostname()}`

export const environment = (): Environment => ({ settings: registries(), bundle: bundle(), log })

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

const opened = new Map<string, Names>()

/** Where names of extensions are looked up. */
export function names(): Names {
  const from = environment()
  const settings = JSON.stringify([from.settings, from.bundle])
  return once(opened, settings, () => openNames(lists, { environment: from, cache, signal }))
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

/** An instance on its host. */
export const keyOf = ({ connection, root, instance }: Place) =>
  JSON.stringify([connection.host, connection.port ?? 22, root, instance])

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

const observations = new Map<string, Promise<Probe>>()

/** What is on the host; one look for all resources of a run that ask. */
export function observe(place: Place): Promise<Probe> {
  return once(observations, keyOf(place), () => look(place))
}

/** After a change, what was seen is no longer there. */
export function forget(place: Place): void {
  observations.delete(keyOf(place))
}
