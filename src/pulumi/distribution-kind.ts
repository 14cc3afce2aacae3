import { loadDistribution } from '../engine/distribution.ts'
import { packFacts } from '../engine/packed-facts.ts'
import { distributionName } from '../engine/record.ts'
import { distributionOutputs } from '../engine/resource.ts'
import { parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { collationChange, type Sorting } from '../postgres/collation.ts'
import { type DistributionInputs, distributionInputs } from './inputs.ts'
import type { Inputs, Kind, Pinned, Values } from './kind.ts'
import { rememberDistribution } from './marriage.ts'
import { reviewKeys } from './review.ts'
import { isSamePlace } from './same-place.ts'

export const distributionKind: Kind = {
  schema: distributionInputs,
  facts: ['postgresVersion', 'postgresMajor', 'os', 'mode', 'layout', 'serverDirectory', '__contrib'],
  optional: ['libc', 'icu', ...reviewKeys],
  passing: [],
  basis: ['platform', 'root'],
  nameOf: () => distributionName,
  read: async (request, { root }) => {
    const { member, facts, image } = await loadDistribution(request, root)
    const { version, major, os, mode, layout, binDirectory, contrib } = facts
    const { libc, icu = [] } = image.server ?? {}
    const versions = Object.entries(contrib).map(([name, { version }]) => [name, version])
    const told = {
      ...{ postgresVersion: version, postgresMajor: major, os, mode, layout, serverDirectory: binDirectory },
      __contrib: Object.fromEntries(versions),
      ...(libc ? { libc: `${libc.kind} ${libc.version}` } : {}),
      ...(icu.length > 0 ? { icu: icu.join(', ') } : {}),
    }
    return { member, facts: told, image }
  },
  marry: async (inputs: Inputs & Pinned & Values, { facts, image }, olds) => {
    const isHere = isSamePlace(olds, inputs)
    const change = isHere ? collationChange(sortingOf(olds), sortingOf(facts)) : undefined
    if (change !== undefined && change !== (inputs as DistributionInputs).acknowledgeCollationChange)
      throw new ProviderError(
        'COLLATION_CHANGED',
        `Cannot update Postgres in ${inputs.instance} to ${inputs.image}: what sorts text changes (${change}), and indexes on text may be wrong afterwards; REINDEX them after the update, and set acknowledgeCollationChange: "${change}"`,
      )
    const isSame = ['digest', 'platform'].every((key) => olds[key] === inputs[key])
    rememberDistribution(inputs, isHere ? (isSame ? 'same' : 'other') : 'first', image)
    return {}
  },
  remember: async (inputs) => rememberDistribution(inputs, 'same'),
  packed: packFacts,
  outputs: (inputs) =>
    distributionOutputs(inputs as unknown as DistributionInputs, {
      digest: parseDigest(inputs.digest),
      serverDirectory: String(inputs['serverDirectory']),
      mode: String(inputs['mode']),
    }),
}

function sortingOf(values: Values): Sorting {
  const text = (key: string) => (typeof values[key] === 'string' ? values[key] : undefined)
  return { libc: text('libc'), icu: text('icu') }
}
