import { hostname, userInfo } from 'node:os'
import { z } from 'zod'
import { groupCommit } from '../engine/commit.ts'
import { type Change, converge } from '../engine/converge.ts'
import { type LoadOptions, loadDistribution, loadExtension } from '../engine/load.ts'
import { connectionPool } from '../engine/pool.ts'
import { distributionName } from '../engine/record.ts'
import { type Probe, probe, type StoreTarget } from '../host/store.ts'
import { hexOf, parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, platformOfMachine } from '../model/platform.ts'
import { quote } from '../model/quote.ts'
import { parseReference } from '../model/reference.ts'
import { openCache } from '../oci/cache.ts'
import { openSource } from '../oci/open.ts'
import { systemdUnit } from '../postgres/unit.ts'
import type { DistributionInputs } from './inputs.ts'

/** What a resource's inputs say of its host. */
export type Place = Pick<DistributionInputs, 'connection' | 'root' | 'instance'>

// SIGINT is all the engine sends, five seconds before SIGKILL.
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort(new ProviderError('ABORTED', 'Stopped; the host has its former state')))
const signal: AbortSignal = interrupted.signal

const registriesSchema = z.record(
  z.string(),
  z.object({ insecure: z.boolean().optional(), caFile: z.string().optional() }),
)
let registriesText = process.env['PGOCI_REGISTRIES'] ?? '{}'

/** Registry settings of the stack: `postgres-oci:registries`. */
export function configureRegistries(text: string | undefined): void {
  registriesText = text ?? registriesText
}

function registries() {
  try {
    return registriesSchema.parse(JSON.parse(registriesText))
  } catch {
    throw new ProviderError(
      'BAD_INPUT',
      'Cannot read postgres-oci:registries: expected JSON as in { "registry.example.com:5000": { "insecure": true } }',
    )
  }
}

const cache = openCache()
const pool = connectionPool()
const who = `${userInfo().username}@${hostname()}`

export function imageOptions(image: string, digest: string, platform: string): LoadOptions {
  const reference = parseReference(image)
  return {
    source: openSource(reference, registries()),
    reference,
    digest: parseDigest(digest),
    platform,
    cache,
    signal,
  }
}

/** The digest a reference means now. */
export async function resolve(image: string): Promise<string> {
  const reference = parseReference(image)
  if (reference.digest !== undefined) return reference.digest
  return (await openSource(reference, registries()).resolve(reference.tag, { signal })).digest
}

async function targetOf(place: Place): Promise<StoreTarget> {
  const transport = await pool(place.connection)
  return {
    transport,
    sudo: place.connection.sudo ?? false,
    root: place.root,
    instance: place.instance,
    lockWait: 300,
    holder: who,
  }
}

export async function platformOfHost(place: Place): Promise<string> {
  const target = await targetOf(place)
  const { machine } = await probe(target, { verify: 'none', signal })
  const platform = platformOfMachine(machine)
  if (platform) return formatPlatform(platform)
  throw new ProviderError(
    'WRONG_PLATFORM',
    `Cannot use ${target.transport.name}: its machine type is ${quote(machine)}; set platform, as in "linux/amd64"`,
  )
}

const committers = new Map<string, (change: Change) => Promise<void>>()
const observations = new Map<string, Promise<Probe>>()

const keyOf = (place: Place) =>
  JSON.stringify([place.connection.host, place.connection.port ?? 22, place.root, place.instance])

/** Brings one change to the host, together with whatever else this run wants there. */
export function commit(place: Place, change: Change): Promise<void> {
  const key = keyOf(place)
  const found = committers.get(key)
  if (found) return found(change)
  const committer = groupCommit(async (changes) => {
    observations.delete(key)
    const target = await targetOf(place)
    await converge(target, changes, {
      load: async (member) => {
        const options = imageOptions(member.image, member.digest, member.platform)
        return (
          member.name === distributionName ? await loadDistribution(options, place.root) : await loadExtension(options)
        ).member
      },
      extras: (layout, treeDirectory) => {
        if (layout.mode !== 'rootfs') return new Map()
        const distribution = changes.find((one) => one.do === 'put' && one.member.name === distributionName)
        const major =
          distribution?.do === 'put'
            ? (distribution.member.major ?? 0)
            : Number(/\d+/.exec(layout.binDirectory)?.[0] ?? 0)
        return new Map([
          [
            `pgoci-${place.instance}.service`,
            unitText(place, {
              treeDirectory,
              binDirectory: layout.binDirectory,
              major,
              libraryPath: `${place.root}/instances/${place.instance}/current/live/system`,
            }),
          ],
        ])
      },
      who,
      signal,
    })
  })
  committers.set(key, committer)
  return committer(change)
}

export function unitText(
  place: Place,
  options: { treeDirectory: string; binDirectory: string; major: number; libraryPath: string },
): string {
  return systemdUnit({ instance: place.instance, store: place.root, ...options })
}

/** What is on the host; one look for all resources of a run that ask. */
export function observe(place: Place): Promise<Probe> {
  const key = keyOf(place)
  const found = observations.get(key)
  if (found) return found
  const looking = targetOf(place).then((target) => probe(target, { verify: 'quick', signal }))
  observations.set(key, looking)
  looking.catch(() => observations.delete(key))
  return looking
}

export function livePath(place: Place, digest: string): string {
  return `${place.root}/instances/${place.instance}/live/${hexOf(parseDigest(digest)).slice(0, 16)}`
}
