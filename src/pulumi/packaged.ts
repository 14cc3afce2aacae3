import { type AskedOfHost, askedOf, findCluster } from '../engine/attach.ts'
import { loadDistribution } from '../engine/distribution.ts'
import { loadInstalled } from '../engine/installed.ts'
import { clusterOf } from '../engine/installed-image.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, platformOfMachine } from '../model/platform.ts'
import { quote } from '../model/quote.ts'
import { signal } from './interrupt.ts'
import { cache, hostName, imageRequest, keyOf, type Place, targetOf } from './session.ts'

type Loaded = Awaited<ReturnType<typeof loadDistribution>>

/** What a resource, a record or a state says of a distribution. */
interface Known {
  readonly image: string
  readonly platform: string
  /** Of one that packages have installed. */
  readonly serverDirectory?: unknown
}

/** Reads a distribution where it is: in its image, or on its host. */
export function readDistribution(place: Place, known: Known): Promise<Loaded> {
  if (clusterOf(known.image) === undefined)
    return loadDistribution(imageRequest(known.image, known.platform), place.root)
  return readInstalled(place, askedOf(known))
}

const reads = new Map<string, Promise<Loaded>>()

/** A run looks once at what packages have put on a host; what could not be read is asked for again. */
export function readInstalled(place: Place, asked: AskedOfHost): Promise<Loaded> {
  const key = JSON.stringify([keyOf(place), asked])
  const reading = reads.get(key) ?? read(place, asked)
  reads.set(key, reading)
  reading.catch(() => reads.delete(key))
  return reading
}

async function read(place: Place, asked: AskedOfHost): Promise<Loaded> {
  const target = await targetOf(place)
  const { server, cluster, machine } = await findCluster(target, asked, { signal })
  const platform = platformOfMachine(machine)
  if (platform === undefined)
    throw new ProviderError('WRONG_PLATFORM', `Cannot use ${hostName(place)}: its machine type is ${quote(machine)}`)
  const options = { platform: formatPlatform(platform), cache, signal }
  const loaded = await loadInstalled(target, { server, cluster: cluster.name }, options)
  // Later ones of the run ask for it by its name.
  const { binDirectory: serverDirectory } = loaded.facts
  const named = askedOf({ image: loaded.member.image, serverDirectory })
  reads.set(JSON.stringify([keyOf(place), named]), Promise.resolve(loaded))
  return loaded
}
