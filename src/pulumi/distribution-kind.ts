import { loadDistribution } from '../engine/distribution.ts'
import { distributionName } from '../engine/record.ts'
import { distributionOutputs } from '../engine/resource.ts'
import { parseDigest } from '../model/digest.ts'
import { type DistributionInputs, distributionInputs } from './inputs.ts'
import type { Kind } from './kind.ts'

export const distributionKind: Kind = {
  schema: distributionInputs,
  facts: ['postgresVersion', 'postgresMajor', 'os', 'mode', 'layout', 'serverDirectory', '__contrib'],
  basis: ['platform', 'root'],
  nameOf: () => distributionName,
  read: async (request, { root }) => {
    const { member, facts } = await loadDistribution(request, root)
    const { version, major, os, mode, layout, binDirectory, contrib } = facts
    const told = { postgresVersion: version, postgresMajor: major, os, mode, layout, serverDirectory: binDirectory }
    const versions = Object.entries(contrib).map(([name, { version }]) => [name, version])
    return { member, facts: { ...told, __contrib: Object.fromEntries(versions) } }
  },
  marry: () => {},
  outputs: (inputs) =>
    distributionOutputs(inputs as unknown as DistributionInputs, {
      digest: parseDigest(inputs.digest),
      serverDirectory: String(inputs['serverDirectory']),
      mode: String(inputs['mode']),
    }),
}
