import { type AskedOfHost, askedOf, type FoundCluster, findCluster } from '../engine/attach.ts'
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
const finds = new Map<string, Promise<FoundCluster>>()

/** A run looks once at what packages have put on a host; what could not be read is asked for again. */
export function readInstalled(place: Place, asked: AskedOfHost): Promise<Loaded> {
  return once(reads, keyOfAsked(place, asked), () => read(place, asked))
}

/** And once for which clusters there are. */
export function findInstalled(place: Place, asked: AskedOfHost): Promise<FoundCluster> {
  return once(finds, keyOfAsked(place, asked), async () => findCluster(await targetOf(place), asked, { signal }))
}

async function read(place: Place, asked: AskedOfHost): Promise<Loaded> {
  const found = await findInstalled(place, asked)
  const platform = platformOfMachine(found.machine)
  if (platform === undefined)
    throw new ProviderError(
      'WRONG_PLATFORM',
      `Cannot use ${hostName(place)}: its machine type is ${quote(found.machine)}`,
    )
  const { server, cluster } = found
  const options = { platform: formatPlatform(platform), cache, signal }
  const loaded = await loadInstalled(await targetOf(place), { server, cluster: cluster.name }, options)
  // Later ones of the run ask for it by its name.
  const { binDirectory: serverDirectory } = loaded.facts
  const named = keyOfAsked(place, askedOf({ image: loaded.member.image, serverDirectory }))
  reads.set(named, Promise.resolve(loaded))
  finds.set(named, Promise.resolve(found))
  return loaded
}

function once<T>(known: Map<string, Promise<T>>, key: string, look: () => Promise<T>): Promise<T> {
  const looking = known.get(key) ?? look()
  known.set(key, looking)
  looking.catch(() => known.delete(key))
  return looking
}

const keyOfAsked = (place: Place, { major, cluster, pgConfig }: AskedOfHost) =>
  JSON.stringify([keyOf(place), major, cluster, pgConfig])
