import { loadExtension } from '../engine/extension.ts'
import { type ExtensionInputs, extensionArguments, extensionInputs } from './inputs.ts'
import type { Kind } from './kind.ts'
import { proveExtension, rememberExtension } from './marriage.ts'
import { reviewKeys } from './review.ts'

export const extensionKind: Kind = {
  schema: extensionInputs,
  program: extensionArguments,
  facts: ['provides'],
  optional: ['findings', ...reviewKeys],
  passing: ['__facts'],
  basis: ['platform', 'postgresMajor', 'distributionDigest', 'overrides'],
  nameOf: (inputs) => String(inputs['name']),
  read: async (request) => {
    const { member, facts, image } = await loadExtension(request)
    return { member, facts: { provides: facts.provides }, image }
  },
  marry: async (inputs, image, olds) => {
    const findings = await proveExtension(inputs as ExtensionInputs & typeof inputs, image, olds)
    return findings.length > 0 ? { findings } : {}
  },
  remember: (inputs) => rememberExtension(inputs as ExtensionInputs & typeof inputs),
  outputs: () => ({}),
}
