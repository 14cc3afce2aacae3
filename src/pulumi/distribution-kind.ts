import { loadDistribution } from '../engine/distribution.ts'
import { liveKey } from '../engine/generation.ts'
import { distributionName } from '../engine/record.ts'
import { parseDigest } from '../model/digest.ts'
import { type DistributionInputs, distributionInputs } from './inputs.ts'
import type { Inputs, Kind, Pinned } from './kind.ts'
import { imageRequest, libraryPath } from './session.ts'

const read = (inputs: Inputs & Pinned) => loadDistribution(imageRequest(inputs.image, inputs.platform), inputs.root)

export const distributionKind: Kind = {
  schema: distributionInputs,
  facts: ['postgresVersion', 'postgresMajor', 'mode', 'layout', 'serverDirectory'],
  basis: ['platform', 'root'],
  nameOf: () => distributionName,
  prove: async (inputs) => {
    const { facts } = await read(inputs)
    return {
      postgresVersion: facts.version,
      postgresMajor: facts.major,
      mode: facts.mode,
      layout: facts.layout,
      serverDirectory: facts.binDirectory,
    }
  },
  load: async (inputs) => (await read(inputs)).member,
  outputs: (inputs) => {
    const place = inputs as unknown as DistributionInputs
    const home = `${place.root}/instances/${place.instance}`
    const path = libraryPath(place, liveKey({ digest: parseDigest(inputs.digest) }))
    const bin = String(inputs['serverDirectory'])
    return {
      binDirectory: `${home}/root/${bin}`,
      libraryPath: path,
      ...(inputs['mode'] === 'rootfs'
        ? { systemdUnit: `${home}/current/pgoci-${place.instance}.service`, runScript: `${home}/current/run` }
        : {}),
    }
  },
}
