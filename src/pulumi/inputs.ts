import { z } from 'zod'
import { distributionName } from '../engine/record.ts'
import { parseRelay } from '../engine/relay.ts'
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

const shared = {
  connection: connectionSchema,
  root: rootSchema,
  instance: nameSchema,
  image: z.string().min(1).max(4096),
  repin: z.string().max(255).optional(),
  platform: z.string().max(64).optional(),
  relay: z.string().max(255).superRefine(isRelay).optional(),
  /** `project/stack`; set by the constructor. */
  __stack: z.string().max(255).default(''),
}

export const distributionInputs = z.object(shared)

export const extensionInputs = z.object({
  ...shared,
  /** The resource's name: the key of its entry on the host. */
  name: nameSchema.refine(
    (name) => name !== distributionName,
    'must not be "distribution", which is Postgres on the host',
  ),
  /** What its distribution is, as that one's check found it. */
  distributionDigest: z.string().optional(),
  postgresMajor: z.number().optional(),
})

export type DistributionInputs = z.infer<typeof distributionInputs>
export type ExtensionInputs = z.infer<typeof extensionInputs>

/** Failures as Pulumi shows them: the property and one line. */
export function failuresOf(error: z.ZodError): { property: string; reason: string }[] {
  return error.issues
    .slice(0, 10)
    .map((issue) => ({ property: issue.path.join('.'), reason: printable(issue.message) }))
}
