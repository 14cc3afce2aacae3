import { loadExtension } from '../engine/extension.ts'
import { toPart } from '../engine/part.ts'
import { takenOn } from './find.ts'
import { type ExtensionInputs, extensionArguments, extensionInputs } from './inputs.ts'
import type { Kind } from './kind.ts'
import { factsOf, proveExtension, rememberExtension } from './marriage.ts'
import { reviewKeys } from './review.ts'

export const extensionKind: Kind = {
  schema: extensionInputs,
  program: extensionArguments,
  facts: ['provides'],
  optional: ['findings', 'baseLayers', ...reviewKeys],
  passing: ['__facts'],
  basis: ['platform', 'postgresMajor', 'distributionDigest', 'overrides', 'include'],
  nameOf: (inputs) => String(inputs['name']),
  read: async (request, inputs) => {
    const own = inputs as ExtensionInputs
    const base = factsOf(own)?.server?.layers
    const { member, facts, image, part } = await loadExtension({ ...request, part: toPart(own) }, base)
    return { member, facts: takenOn({ provides: facts.provides, ...part }, own), image }
  },
  marry: async (inputs, image, olds) => {
    // What was found of it counts from here on: its siblings are proven against the same part of it.
    const found = { ...inputs, ...image.facts } as ExtensionInputs & typeof inputs
    const findings = await proveExtension(found, image, olds)
    return findings.length > 0 ? { findings } : {}
  },
  remember: (inputs) => rememberExtension(inputs as ExtensionInputs & typeof inputs),
  outputs: () => ({}),
}
