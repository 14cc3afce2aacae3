import { type AskedOfHost, askedOf, type FoundCluster, findCluster } from '../engine/attach.ts'
import { loadDistribution } from '../engine/distribution.ts'
import { loadInstalled } from '../engine/installed.ts'
import { clusterOf, installedImage } from '../engine/installed-image.ts'
import { once } from '../engine/once.ts'
import { ProviderError } from '../model/error.ts'
import { formatPlatform, platformOfMachine } from '../model/platform.ts'
import { quote } from '../model/quote.ts'
import { signal } from './interrupt.ts'
import { cache, hostName, imageRequest, keyOf, type Place, targetOf } from './session.ts'
import { verify } from './verify.ts'

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
const finds = new Map<string, Promise<FoundCluster>>()

/** A run reads once what packages have put on a host; what could not be read is asked for again. */
export async function readInstalled(place: Place, asked: AskedOfHost): Promise<Loaded> {
  const found = await findInstalled(place, asked)
  return once(reads, keyOfAsked(place, named(found)), () => read(place, found))
}

/** The cluster that is meant, which a run looks for once. */
export function findInstalled(place: Place, asked: AskedOfHost): Promise<FoundCluster> {
  return once(finds, keyOfAsked(place, asked), async () => {
    const found = await findCluster(await targetOf(place), asked, { signal })
    // Later ones of the run ask for it by its name.
    finds.set(keyOfAsked(place, named(found)), Promise.resolve(found))
    return found
  })
}

async function read(place: Place, { server, cluster, machine }: FoundCluster): Promise<Loaded> {
  const platform = platformOfMachine(machine)
  if (platform === undefined)
    throw new ProviderError('WRONG_PLATFORM', `Cannot use ${hostName(place)}: its machine type is ${quote(machine)}`)
  const options = { platform: formatPlatform(platform), cache, verify: verify(), signal }
  return loadInstalled(await targetOf(place), { server, cluster: cluster.name }, options)
}

/** As states and records have it. */
const named = ({ server, cluster }: FoundCluster) =>
  askedOf({ image: installedImage(cluster.name), serverDirectory: server.bin.slice(1) })

const keyOfAsked = (place: Place, { major, cluster, pgConfig }: AskedOfHost) =>
  JSON.stringify([keyOf(place), major, cluster, pgConfig])
