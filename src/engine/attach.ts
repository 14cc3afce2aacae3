import { type Cluster, type PackagedServer, type Survey, survey } from '../host/packaged.ts'
import { changeSettings, lookAtSettings, type Setting } from '../host/settings.ts'
import type { StoreTarget } from '../host/store.ts'
import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { type Asked, chooseCluster, settingsFor, settingsToDo } from '../postgres/packaged.ts'
import { clusterOf } from './installed-image.ts'
import type { Member } from './record.ts'
import { liveKey, livePath } from './resource.ts'

/** Which Postgres of a host is meant, and where its pg_config is if packages have it in no usual place. */
export interface AskedOfHost extends Asked {
  readonly pgConfig?: string | undefined
}

export interface FoundCluster extends Pick<Survey, 'machine'> {
  readonly server: PackagedServer
  readonly cluster: Cluster
}

/** A member, and what its facts or inputs say. */
type Distribution = Pick<Member, 'image' | 'digest'> & { readonly serverDirectory?: unknown }
type Signal = { readonly signal?: AbortSignal }

/** How the way from a cluster to its instance is found. */
interface AttachOptions extends Signal {
  /** Looks for the cluster, or knows it already. */
  readonly find: (asked: AskedOfHost) => Promise<FoundCluster>
}

/** @throws ProviderError NOT_FOUND, BAD_INPUT */
export async function findCluster(target: StoreTarget, asked: AskedOfHost, options: Signal): Promise<FoundCluster> {
  const { pgConfig, ...wanted } = asked
  const seen = await survey(target, pgConfig, options)
  return { ...chooseCluster(seen, wanted, target.transport.name), machine: seen.machine }
}

/** Leads a cluster to its instance, where it is not led there yet: once, and for all generations. */
export async function attach(target: StoreTarget, distribution: Distribution, options: AttachOptions): Promise<void> {
  const { cluster, settings } = await wayOf(target, distribution, options)
  const seen = await lookAtSettings(target, cluster, settings, options)
  const where = whereOf(target, cluster)
  if (seen === undefined)
    throw new ProviderError(
      'HOST_REFUSED',
      `Cannot set ${namesOf(settings)} of ${where}: it is down; start it, then run it again`,
    )
  if (settingsToDo(settings, seen, where) === 'set') await changeSettings(target, 'set', { cluster, settings }, options)
}

/** Takes that back. A cluster that is gone has nothing to take back. */
export async function detach(target: StoreTarget, distribution: Distribution, options: AttachOptions): Promise<void> {
  try {
    const { cluster, settings } = await wayOf(target, distribution, options)
    await changeSettings(target, 'reset', { cluster, settings }, options)
  } catch (error) {
    if (!(error instanceof ProviderError) || error.code !== 'NOT_FOUND') throw error
    const name = clusterOf(distribution.image) ?? ''
    // Debian's are listed when they are down, too; of others nobody knows.
    if (!name.startsWith('/')) return
    throw new ProviderError(
      'HOST_REFUSED',
      `Cannot take back the settings of ${whereOf(target, { name })}: it does not run; start it, then run it again, or, if it is gone for good, take it out of the state with pulumi state delete`,
    )
  }
}

/** What of that is not so, in lines for a person. */
export async function attachmentDrift(
  target: StoreTarget,
  distribution: Distribution,
  options: AttachOptions,
): Promise<string[]> {
  const { cluster, settings } = await wayOf(target, distribution, options)
  const seen = await lookAtSettings(target, cluster, settings, options)
  // Its files tell once it is up.
  if (seen === undefined) return []
  return settings.flatMap(([name, value]) => {
    const now = seen.get(name) ?? ''
    if (settingsToDo([[name, value]], new Map([[name, now]]), whereOf(target, cluster)) === 'nothing') return []
    return [`setting ${name} is ${quote(now)}: CREATE EXTENSION finds nothing of ours; up sets it again`]
  })
}

/** How a distribution that packages have installed is found again. */
export function askedOf(known: { readonly image: string; readonly serverDirectory?: unknown }): AskedOfHost {
  const { image, serverDirectory } = known
  const pgConfig = typeof serverDirectory === 'string' ? `/${serverDirectory}/pg_config` : undefined
  return { cluster: clusterOf(image), pgConfig }
}

async function wayOf(
  target: StoreTarget,
  distribution: Distribution,
  { find }: AttachOptions,
): Promise<{ cluster: Cluster; settings: Setting[] }> {
  const { server, cluster } = await find(askedOf(distribution))
  return { cluster, settings: settingsFor(server, livePath(target, liveKey(distribution))) }
}

const whereOf = ({ transport }: StoreTarget, { name }: Pick<Cluster, 'name'>) =>
  `the cluster ${printable(name)} on ${transport.name}`

const namesOf = (settings: readonly Setting[]) => settings.map(([name]) => name).join(' and ')
