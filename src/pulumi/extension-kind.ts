import { loadExtension } from '../engine/extension.ts'
import { parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPinned, parseReference } from '../model/reference.ts'
import { type ExtensionInputs, extensionInputs } from './inputs.ts'
import type { Inputs, Kind, Pinned } from './kind.ts'
import { imageRequest } from './session.ts'

const read = (inputs: Inputs & Pinned) => loadExtension(imageRequest(inputs.image, inputs.digest, inputs.platform))

export const extensionKind: Kind = {
  schema: extensionInputs,
  facts: ['provides'],
  nameOf: (inputs) => String(inputs['name']),
  prove: async (inputs) => {
    const { facts } = await read(inputs)
    const { postgresMajor } = inputs as ExtensionInputs
    if (facts.major !== undefined && postgresMajor !== undefined && facts.major !== postgresMajor) {
      const pinned = formatPinned(parseReference(inputs.image), parseDigest(inputs.digest))
      throw new ProviderError(
        'NOT_MARRIED',
        `Cannot add ${pinned} to Postgres ${postgresMajor}: its modules are built for Postgres ${facts.major}; choose an image built for ${postgresMajor}`,
      )
    }
    return { provides: facts.provides }
  },
  load: async (inputs) => (await read(inputs)).member,
  outputs: () => ({}),
}
