import { z } from 'zod'
import { nameSchema } from '../host/place.ts'
import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { digestSchema } from '../oci/schema.ts'
import { type Part, partSchema, toPart } from './part.ts'

// It becomes part of a systemd unit and of a shell script, and of a path in each of them.
const folderSchema = z
  .string()
  .max(4096)
  .regex(/^(?!.*(?:^|\/)\.\.(?:\/|$))[A-Za-z0-9_.+/-]+$/)
const modeSchema = z.enum(['relocatable', 'rootfs', 'installed'])
const shortText = z.string().max(255)
// Of images, by way of a host: neither may draw on the terminal of who reads a preview.
const shownText = shortText.refine((text) => printable(text, 255) === text)

/** Ids of errors of a proof that a program takes on. */
export const overridesSchema = z.array(z.string().max(512)).max(100).optional()

/** What an image says of itself, as previews show it, and what was taken on when it was proven. */
const factsSchema = z.union([
  z.object({
    postgresVersion: shownText,
    postgresMajor: z.int().min(9).max(99),
    /** Absent in records of versions before 0.2, as is the next one. */
    os: shownText.optional(),
    /** Extensions that it has itself, with their versions. Pulumi shows nothing whose name begins so. */
    __contrib: z
      .record(shownText, shownText)
      .refine((contrib) => Object.keys(contrib).length <= 2000)
      .optional(),
    mode: modeSchema,
    layout: shownText,
    serverDirectory: folderSchema,
    libc: shownText.optional(),
    icu: shownText.optional(),
  }),
  z.object({
    provides: z
      .record(shownText, z.object({ version: shownText, requires: z.array(shownText).max(1000) }))
      .refine((provides) => Object.keys(provides).length <= 2000),
    overrides: overridesSchema,
    ...partSchema.shape,
  }),
])

export type Facts = z.infer<typeof factsSchema>

const memberSchema = z.object({
  /** `distribution`, or the name of the extension's resource. */
  name: nameSchema,
  /** Random, given at creation: delete removes only what carries its own token. */
  token: z.string().min(1).max(64),
  /** `project/stack` that declared it. */
  stack: z.string().max(255),
  /** As the program wrote it, and `name@sha256:…`. */
  reference: z.string().max(4096),
  image: z.string().max(4096),
  digest: digestSchema,
  platform: z.string().max(64),
  /** Digest of its own placed tree, whose manifest the host keeps. */
  treeDigest: digestSchema,
  /** The Postgres that it is, or that its modules are built for. */
  major: z.int().min(9).max(99).optional(),
  /** Absent in records of versions before 0.2. */
  facts: factsSchema.optional(),
})

/** One declared part of an instance: its distribution or one extension. */
export type Member = z.infer<typeof memberSchema>

/** Which part of its image a member is made of. */
export function partOf({ facts }: { readonly facts?: Facts | undefined }): Part {
  return facts !== undefined && 'provides' in facts ? toPart(facts) : {}
}

/** Errors of its proof that were taken on. */
export function overridesOf({ facts }: { readonly facts?: Facts | undefined }): readonly string[] {
  return (facts !== undefined && 'provides' in facts && facts.overrides) || []
}

const membersSchema = z.array(memberSchema).max(2000)

const recordSchema = z.object({
  version: z.literal(1),
  members: membersSchema,
  /** Where things lie in the distribution's tree. */
  layout: z.object({
    mode: modeSchema,
    binDirectory: z.string().max(4096),
    libraryDirectory: z.string().max(4096),
    shareDirectory: z.string().max(4096),
  }),
  when: z.string().max(64),
  who: shortText,
  /** Of the `up` that made it: its other commits are no former states of their own. */
  run: z.string().max(64).optional(),
  /** Set by `pgoci rollback`, until all is again as the stacks declare it. */
  rolledBack: z
    .object({
      /** The generation whose members these are. */
      to: z.int().min(1),
      when: z.string().max(64),
      who: shortText,
      /** What the stacks declare. */
      declared: membersSchema,
    })
    .optional(),
})

/** What a generation declares: enough to build its trees again, and to adopt it when a state is lost. */
export type Record = z.infer<typeof recordSchema>

export const distributionName = 'distribution'

/** @throws ProviderError HOST_REFUSED when the host's record is not one of ours. */
export function parseRecord(
  text: string,
  host: string,
  generation: number | 'the current generation' = 'the current generation',
): Record {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  const parsed = recordSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const which = typeof generation === 'number' ? `generation ${generation}` : generation
  throw new ProviderError('HOST_REFUSED', `Cannot read the record of ${which} on ${host}: it was changed by hand`)
}
