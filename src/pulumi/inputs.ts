import { z } from 'zod'
import { includeSchema, partSchema } from '../engine/part.ts'
import { distributionName, overridesSchema } from '../engine/record.ts'
import { parseRelay } from '../engine/relay.ts'
import { repositorySchema } from '../engine/repository.ts'
import { connectionSchema } from '../host/connection.ts'
import { nameSchema, rootSchema } from '../host/place.ts'
import { messageOf } from '../model/error.ts'
import { printable } from '../model/quote.ts'

function isRelay(text: string, { addIssue }: z.RefinementCtx): void {
  try {
    parseRelay(text)
  } catch (error) {
    addIssue({ code: 'custom', message: messageOf(error) })
  }
}

const image = z.string().min(1).max(4096)

const shared = {
  connection: connectionSchema,
  root: rootSchema,
  instance: nameSchema,
  repin: z.string().max(255).optional(),
  platform: z.string().max(64).optional(),
  relay: z.string().max(255).superRefine(isRelay).optional(),
  /** `project/stack`; set by the constructor. */
  __stack: z.string().max(255).default(''),
}

export const distributionInputs = z.object({
  ...shared,
  /** What the program wrote, or, once it was checked, what that is. */
  image: image.optional(),
  installed: z
    .strictObject({
      major: z.int().min(9).max(99).optional(),
      cluster: z.string().min(1).max(255).optional(),
      pgConfig: z
        .string()
        .max(1024)
        .regex(
          /^(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9_.+@-]+)+$/,
          'must be an absolute path, as in /usr/pgsql-17/bin/pg_config',
        )
        .optional(),
    })
    .optional(),
  acknowledgeCollationChange: z.string().max(255).optional(),
})

/** The same as a program writes it. */
export const distributionArguments = distributionInputs.superRefine(({ image, installed }, { addIssue }) => {
  if ((image === undefined) === (installed === undefined))
    addIssue({
      code: 'custom',
      path: ['image'],
      message: image ? 'is one way, and installed the other: give one of them' : 'is missing: give it, or installed',
    })
})

export const extensionInputs = z.object({
  ...shared,
  /** What the program wrote, or, once it was checked, what that is. */
  image: image.optional(),
  /** What the program asks for by name. */
  requested: z
    .strictObject({ name: nameSchema, version: z.string().max(100).optional(), prerelease: z.boolean().optional() })
    .optional(),
  repository: repositorySchema.optional(),
  /** The resource's name: the key of its entry on the host. */
  name: nameSchema.refine(
    (name) => name !== distributionName,
    'must not be "distribution", which is Postgres on the host',
  ),
  /** What its distribution is, as that one's check found it. */
  distributionDigest: z.string().optional(),
  postgresMajor: z.number().optional(),
  overrides: overridesSchema,
  include: includeSchema.optional(),
  /** As check found it. */
  baseLayers: partSchema.shape.baseLayers,
  /** What its bytes say, packed; never part of the state. */
  __facts: z.string().optional(),
  postgresVersion: z.string().max(255).optional(),
  os: z.string().max(255).optional(),
})

/** The same as a program writes it, where one thing tells the image. */
export const extensionArguments = extensionInputs.superRefine(({ image, requested, repository }, { addIssue }) => {
  const refuse = (at: string, message: string) => addIssue({ code: 'custom', path: [at], message })
  if (image !== undefined && requested !== undefined)
    refuse('image', 'is one way, and name with repository the other: give one of them')
  else if (image === undefined && requested === undefined)
    refuse('image', 'is missing: give it, or name and repository')
  else if (requested !== undefined && repository === undefined)
    refuse('repository', 'is missing: it is where a name becomes an image')
  else if (image !== undefined && repository !== undefined) refuse('repository', 'is for names, and there is an image')
})

export type DistributionInputs = z.infer<typeof distributionInputs>
export type ExtensionInputs = z.infer<typeof extensionInputs>

/** Failures as Pulumi shows them: the property and one line. */
export function failuresOf(error: z.ZodError): { property: string; reason: string }[] {
  return error.issues
    .slice(0, 10)
    .map((issue) => ({ property: issue.path.join('.'), reason: printable(issue.message) }))
}
