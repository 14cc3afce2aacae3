import { loadExtension } from '../engine/extension.ts'
import { ProviderError } from '../model/error.ts'
import { type ExtensionInputs, extensionArguments, extensionInputs } from './inputs.ts'
import type { Kind } from './kind.ts'

export const extensionKind: Kind = {
  schema: extensionInputs,
  program: extensionArguments,
  facts: ['provides'],
  basis: ['platform', 'postgresMajor'],
  nameOf: (inputs) => String(inputs['name']),
  read: async (request) => {
    const { member, facts } = await loadExtension(request)
    return { member, facts: { provides: facts.provides } }
  },
  marry: (inputs, { major }) => {
    const { postgresMajor } = inputs as ExtensionInputs
    if (major === undefined || postgresMajor === undefined || major === postgresMajor) return
    throw new ProviderError(
      'NOT_MARRIED',
      `Cannot add ${inputs.image} to Postgres ${postgresMajor}: its modules are built for Postgres ${major}; choose an image built for ${postgresMajor}`,
    )
  },
  outputs: () => ({}),
}
