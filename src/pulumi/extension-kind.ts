import { loadExtension } from '../engine/extension.ts'
import { ProviderError } from '../model/error.ts'
import { type ExtensionInputs, extensionInputs } from './inputs.ts'
import type { Inputs, Kind, Pinned } from './kind.ts'
import { imageRequest } from './session.ts'

const read = (inputs: Inputs & Pinned) => loadExtension(imageRequest(inputs.image, inputs.platform))

export const extensionKind: Kind = {
  schema: extensionInputs,
  facts: ['provides'],
  basis: ['platform', 'postgresMajor'],
  nameOf: (inputs) => String(inputs['name']),
  prove: async (inputs) => {
    const { facts } = await read(inputs)
    const { postgresMajor } = inputs as ExtensionInputs
    if (facts.major !== undefined && postgresMajor !== undefined && facts.major !== postgresMajor) {
      throw new ProviderError(
        'NOT_MARRIED',
        `Cannot add ${inputs.image} to Postgres ${postgresMajor}: its modules are built for Postgres ${facts.major}; choose an image built for ${postgresMajor}`,
      )
    }
    return { provides: facts.provides }
  },
  load: async (inputs) => (await read(inputs)).member,
  outputs: () => ({}),
}
