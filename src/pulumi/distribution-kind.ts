import { loadDistribution } from '../engine/distribution.ts'
import { distributionName } from '../engine/record.ts'
import { distributionOutputs } from '../engine/resource.ts'
import { parseDigest } from '../model/digest.ts'
import { type DistributionInputs, distributionInputs } from './inputs.ts'
import type { Kind } from './kind.ts'

export const distributionKind: Kind = {
  schema: distributionInputs,
  facts: ['postgresVersion', 'postgresMajor', 'mode', 'layout', 'serverDirectory'],
  basis: ['platform', 'root'],
  nameOf: () => distributionName,
  read: async (request, { root }) => {
    const { member, facts } = await loadDistribution(request, root)
    const { version, major, mode, layout, binDirectory } = facts
    const told = { postgresVersion: version, postgresMajor: major, mode, layout, serverDirectory: binDirectory }
    return { member, facts: told }
  },
  marry: () => {},
  outputs: (inputs) =>
    distributionOutputs(inputs as unknown as DistributionInputs, {
      digest: parseDigest(inputs.digest),
      serverDirectory: String(inputs['serverDirectory']),
      mode: String(inputs['mode']),
    }),
}
