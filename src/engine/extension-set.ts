import { z } from 'zod'
import { nameSchema } from '../host/place.ts'
import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { includeSchema } from './part.ts'
import { overridesSchema } from './record.ts'
import { parseDocuments, repositorySchema } from './repository.ts'

const bool = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')])

const entrySchema = z.strictObject({
  name: nameSchema,
  version: z.string().max(100).optional(),
  prerelease: bool.optional(),
  image: z.string().max(4096).optional(),
  repository: repositorySchema.optional(),
  overrides: overridesSchema,
  include: includeSchema.optional(),
})

/** One extension of a set: `- name: timescaledb` and `version: "2.13.0"`. */
export type SetEntry = z.infer<typeof entrySchema>

const entriesSchema = z
  .array(entrySchema)
  .max(2000)
  .superRefine((entries, { addIssue }) => {
    const names = entries.map(({ name }) => name)
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined) addIssue({ code: 'custom', message: `has ${quote(twice)} twice` })
  })

const setSchema = z.object({
  image: z.string().max(4096).optional(),
  repository: repositorySchema.optional(),
  platforms: z.array(z.string().max(64)).max(20).optional(),
  extensions: entriesSchema,
})

/** A distribution with its extensions, as plain data. */
export type ExtensionSet = z.infer<typeof setSchema>

/**
 * Reads a set from YAML or JSON: a list of extensions, a map with `extensions`, or a whole SGCluster of StackGres.
 * Versions are taken as they are written, with quotes or without.
 *
 * @param name for messages
 * @throws ProviderError BAD_INPUT
 */
export function readSet(text: string, name: string): ExtensionSet {
  return parseSet(parseDocuments(text, name)[0], name)
}

/** The same from data that was read already. */
export function parseSet(document: unknown, name: string): ExtensionSet {
  const parsed = setSchema.safeParse(
    Array.isArray(document) ? { extensions: document } : (clusterOf(document) ?? document),
  )
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const at = issue?.path.join('.') || 'it'
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot use ${name} as a set of extensions: ${printable(`${at} ${issue?.message}`)}; write a list of "- name: NAME", each with a version where it is pinned`,
  )
}

function clusterOf(document: unknown): unknown {
  const spec = (document as { spec?: { postgres?: unknown } } | null | undefined)?.spec
  return spec?.postgres
}
