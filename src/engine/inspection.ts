import { z } from 'zod'
import { libcSchema } from './libc.ts'
import { providesSchema } from './provides.ts'

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const texts = z.record(z.string(), z.string())

/** What `pgoci inspect --json` prints: docs/schemas/inspect.json is made of it. Fields are added, never changed. */
export const inspectionSchema = z
  .object({
    reference: z.string().describe('as it was asked for'),
    image: z.string().describe('the same, pinned: name@sha256:…'),
    digest: digest.describe('of the index, or of the manifest where there is no index'),
    manifest: digest.describe('of the chosen image'),
    platform: z.string().describe('of the chosen image, as in linux/amd64'),
    platforms: z.array(z.string()).describe('for which there are images'),
    baseLayers: z
      .int()
      .min(1)
      .optional()
      .describe("of an image that was built on another one: how many layers are that one's, and left out here"),
    include: z.array(z.string()).optional().describe('globs of the files that were looked at, where it was not all'),
    layers: z.array(z.object({ digest, size: z.int().min(0), mediaType: z.string() })),
    labels: texts,
    annotations: texts.describe('of the manifest'),
    entries: z.int().min(0).describe('files, links and directories of the flattened image'),
    bytes: z.int().min(0).describe('of its files'),
    kind: z.enum(['distribution', 'extension', 'unknown']),
    why: z.array(z.string()).describe('what tells the kind; for "unknown", why it is no distribution and no extension'),
    layout: z.string().optional().describe("a distribution's, as in debian, rpm, prefix"),
    mode: z.enum(['rootfs', 'relocatable']).optional().describe('how a distribution runs'),
    postgres: z
      .object({ version: z.string().optional(), major: z.int().min(0) })
      .optional()
      .describe('which it is, or for which its modules are built'),
    provides: providesSchema.describe('what CREATE EXTENSION can create'),
    libc: libcSchema.optional().describe('which it brings, or else which it asks for'),
  })
  .meta({ title: 'pgoci inspect --json' })

export type Inspection = z.infer<typeof inspectionSchema>

/** One line of `pgoci inspect --files`: docs/schemas/inspect-files.json is made of it. */
export const treeLineSchema = z
  .discriminatedUnion('kind', [
    z.object({ path: z.string(), kind: z.literal('directory'), mode: z.string() }),
    z.object({
      path: z.string(),
      kind: z.literal('file'),
      mode: z.string().describe('octal, as it will be on a host'),
      size: z.int().min(0),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
    z.object({ path: z.string(), kind: z.literal('link'), mode: z.string(), target: z.string() }),
  ])
  .meta({ title: 'a line of pgoci inspect --files' })

export type TreeLine = z.infer<typeof treeLineSchema>
