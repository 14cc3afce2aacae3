import { z } from 'zod'
import { ProviderError } from '../model/error.ts'
import { digestSchema } from '../oci/schema.ts'

const memberSchema = z.object({
  /** `distribution`, or the name of the extension's resource. */
  name: z.string().min(1).max(255),
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
  major: z.int().min(9).max(99).optional(),
})

/** One declared part of an instance: its distribution or one extension. */
export type Member = z.infer<typeof memberSchema>

const recordSchema = z.object({
  version: z.literal(1),
  members: z.array(memberSchema).max(2000),
  /** Where things lie in the distribution's tree. */
  layout: z.object({
    mode: z.enum(['relocatable', 'rootfs']),
    binDirectory: z.string().max(4096),
    libraryDirectory: z.string().max(4096),
    shareDirectory: z.string().max(4096),
  }),
  when: z.string().max(64),
  who: z.string().max(255),
})

/** What a generation declares: enough to build its trees again, and to adopt it when a state is lost. */
export type Record = z.infer<typeof recordSchema>

export const distributionName = 'distribution'

/** @throws ProviderError HOST_REFUSED when the host's record is not one of ours. */
export function parseRecord(text: string, host: string): Record {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  const parsed = recordSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new ProviderError(
    'HOST_REFUSED',
    `Cannot read the record of the current generation on ${host}: it was changed by hand`,
  )
}
