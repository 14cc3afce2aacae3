import { z } from 'zod'
import { digestSchema } from '../oci/schema.ts'
import type { ImageFacts } from '../postgres/facts.ts'

const texts = z.array(z.string())
const numbers = z.number()

const controlSchema = z.object({
  directory: z.string().optional(),
  defaultVersion: z.string().optional(),
  modulePathname: z.string().optional(),
  comment: z.string().optional(),
  schema: z.string().optional(),
  encoding: z.string().optional(),
  relocatable: z.boolean().optional(),
  superuser: z.boolean().optional(),
  trusted: z.boolean().optional(),
  requires: texts.optional(),
  noRelocate: texts.optional(),
})

const magicSchema = z.object({
  major: numbers,
  length: numbers,
  functionMaxArguments: numbers,
  indexMaxKeys: numbers,
  nameDataLength: numbers,
  vendor: z.string().optional(),
})

const binarySchema = z.object({
  path: z.string(),
  digest: digestSchema,
  class: z.union([z.literal(32), z.literal(64)]),
  machine: numbers,
  interpreter: z.string().optional(),
  soname: z.string().optional(),
  needed: texts,
  runpath: texts,
  requires: z.record(z.string(), texts),
  provides: texts,
  magic: magicSchema.optional(),
  opens: texts.optional(),
})

/** Facts as the controller's cache keeps them. */
export const factsSchema: z.ZodType<ImageFacts> = z.object({
  binaries: z.array(binarySchema),
  links: z.record(z.string(), z.string()),
  unread: z.record(z.string(), z.string()),
  extensions: z.record(
    z.string(),
    z.object({
      control: controlSchema,
      problem: z.string().optional(),
      secondary: z.record(z.string(), controlSchema),
      scripts: z.object({ installable: texts, updates: z.array(z.tuple([z.string(), z.string()])) }),
    }),
  ),
  data: texts.optional(),
  packages: z.record(z.string(), z.string()),
  server: z
    .object({
      mode: z.enum(['rootfs', 'relocatable', 'installed']),
      version: z.string(),
      major: numbers,
      configure: texts,
      libc: z.object({ kind: z.enum(['glibc', 'musl']), version: z.string() }).optional(),
      icu: texts,
      locales: texts,
      layers: texts.optional(),
    })
    .optional(),
})
