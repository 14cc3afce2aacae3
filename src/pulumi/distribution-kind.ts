import { attachmentDrift } from '../engine/attach.ts'
import { loadDistribution } from '../engine/distribution.ts'
import { clusterOf } from '../engine/installed-image.ts'
import { packFacts } from '../engine/packed-facts.ts'
import { distributionName } from '../engine/record.ts'
import { distributionOutputs } from '../engine/resource.ts'
import { parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { collationChange, type Sorting, sortingOfServer } from '../postgres/collation.ts'
import { type DistributionInputs, distributionArguments, distributionInputs } from './inputs.ts'
import { signal } from './interrupt.ts'
import type { Inputs, Kind, Pinned, Values } from './kind.ts'
import { rememberDistribution } from './marriage.ts'
import { findInstalled, readDistribution, readInstalled } from './packaged.ts'
import { reviewKeys } from './review.ts'
import { isSamePlace } from './same-place.ts'
import { targetOf } from './session.ts'

export const distributionKind: Kind = {
  schema: distributionInputs,
  facts: ['postgresVersion', 'postgresMajor', 'os', 'mode', 'layout', 'serverDirectory', '__contrib'],
  optional: ['libc', 'icu', ...reviewKeys],
  passing: [],
  basis: ['platform', 'root'],
  nameOf: () => distributionName,
  program: distributionArguments,
  own: (inputs) => {
    const { installed } = inputs as DistributionInputs
    if (installed === undefined) return undefined
    return readInstalled(inputs, installed).then(told)
  },
  drift: async (inputs) => ((inputs as DistributionInputs).installed ? packagedDrift(inputs) : []),
  read: async (request, { root }) => told(await loadDistribution(request, root)),
  marry: async (inputs: Inputs & Pinned & Values, { facts, image }, olds) => {
    checkCluster(inputs, olds)
    const isHere = isSamePlace(olds, inputs)
    const change = isHere ? collationChange(sortingOf(olds), sortingOf(facts)) : undefined
    if (change !== undefined && change !== (inputs as DistributionInputs).acknowledgeCollationChange)
      throw new ProviderError(
        'COLLATION_CHANGED',
        `Cannot update Postgres in ${inputs.instance} to ${inputs.image}: what sorts text changes (${change}), and indexes on text may be wrong afterwards; REINDEX them after the update, and set acknowledgeCollationChange: "${change}"`,
      )
    // An `up` changes nothing of a server that packages have installed.
    const isPackaged = clusterOf(inputs.image) !== undefined
    const isSame = isPackaged || ['digest', 'platform'].every((key) => olds[key] === inputs[key])
    rememberDistribution(inputs, isHere || isPackaged ? (isSame ? 'same' : 'other') : 'first', image)
    return {}
  },
  remember: async (inputs) => rememberDistribution(inputs, 'same'),
  packed: packFacts,
  outputs: (inputs) =>
    distributionOutputs(inputs as unknown as DistributionInputs, {
      digest: parseDigest(inputs.digest),
      image: inputs.image,
      serverDirectory: String(inputs['serverDirectory']),
      mode: String(inputs['mode']),
    }),
}

/** As inputs and records have it. */
function told({ member, facts: read, image }: Awaited<ReturnType<typeof loadDistribution>>) {
  const { version, major, os, mode, layout, binDirectory, contrib } = read
  const versions = Object.entries(contrib).map(([name, { version }]) => [name, version])
  const facts = {
    ...{ postgresVersion: version, postgresMajor: major, os, mode, layout, serverDirectory: binDirectory },
    __contrib: Object.fromEntries(versions),
    ...(image.server ? sortingOfServer(image.server) : {}),
  }
  return { member, facts, image }
}

/** A cluster's settings lead to its instance; another cluster's would have to be changed along with them. */
function checkCluster(inputs: Inputs & Pinned, olds: Values): void {
  const { image, instance } = inputs
  const former = typeof olds['image'] === 'string' ? olds['image'] : image
  if (!isSamePlace(olds, inputs) || clusterOf(former) === clusterOf(image)) return
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot turn ${quote(instance)} from ${printable(former)} to ${image}: what its extensions are for would change under them; declare another Distribution, with an instance of its own, and remove this one`,
  )
}

/** What packages have changed since the last `up`, and whether the cluster still looks here. */
async function packagedDrift(inputs: Inputs & Pinned & Values): Promise<string[]> {
  const { member, facts } = await readDistribution(inputs, inputs)
  const was = printable(String(inputs['postgresVersion']))
  const lines = await attachmentDrift(
    await targetOf(inputs),
    { ...inputs, digest: member.digest },
    { find: (asked) => findInstalled(inputs, asked), signal },
  )
  if (member.digest === inputs.digest) return lines
  const what =
    facts.version === was
      ? 'upgraded: packages of the host changed modules or libraries that Postgres loads'
      : `upgraded: packages of the host brought PostgreSQL ${facts.version} in place of ${was}`
  return [`${what}; up proves the extensions against it`, ...lines]
}

function sortingOf(values: Values): Sorting {
  const text = (key: string) => (typeof values[key] === 'string' ? values[key] : undefined)
  return { libc: text('libc'), icu: text('icu') }
}
