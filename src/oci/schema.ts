import { z } from 'zod'
import { type Digest, isDigest } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import type { RawManifest } from './source.ts'

export const digestSchema = z.string().refine(isDigest, 'is no sha256 digest') as unknown as z.ZodType<Digest>

const descriptorSchema = z.object({
  mediaType: z.string().max(255),
  digest: digestSchema,
  size: z.int().min(0),
})

const platformSchema = z.object({
  os: z.string().max(64),
  architecture: z.string().max(64),
  variant: z.string().max(64).nullish(),
})

const indexSchema = z.object({
  schemaVersion: z.literal(2),
  manifests: z
    .array(
      descriptorSchema.extend({
        platform: platformSchema.nullish(),
        annotations: z.record(z.string(), z.string()).nullish(),
      }),
    )
    .max(10_000),
  // One document that is both an index and a manifest means different things to different readers (CVE-2021-41190).
  layers: z.undefined().optional(),
  config: z.undefined().optional(),
})

const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  config: descriptorSchema,
  layers: z.array(descriptorSchema).min(1).max(256),
  manifests: z.undefined().optional(),
})

const configSchema = z.object({
  os: z.string().max(64),
  architecture: z.string().max(64),
  variant: z.string().max(64).nullish(),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.array(digestSchema) }),
  config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
})

export type Index = z.infer<typeof indexSchema>
export type Manifest = z.infer<typeof manifestSchema>
export type Config = z.infer<typeof configSchema>

const indexTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]
const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]

/** What we ask registries for. */
export const acceptedManifests = [...indexTypes, ...manifestTypes].join(', ')

function isIndexType(mediaType: string): boolean {
  return indexTypes.includes(mediaType)
}

/** @throws ProviderError BAD_IMAGE */
export function parseIndexOrManifest(raw: RawManifest, source: string): { index: Index } | { manifest: Manifest } {
  const value = parseJson(raw.bytes, source)
  const { mediaType } = raw.descriptor
  const body = z.object({ mediaType: z.string().optional(), schemaVersion: z.unknown() }).safeParse(value)
  if (body.success && body.data.schemaVersion === 1)
    throw bad(source, 'it is a Docker schema 1 manifest; push it again with a current tool')
  const stated = body.success ? body.data.mediaType : undefined
  if (stated !== undefined && stated !== mediaType) {
    throw bad(source, `its manifest says it is ${quote(stated)}, but was announced as ${quote(mediaType)}`)
  }
  if (isIndexType(mediaType)) return { index: check(indexSchema, value, source) }
  if (manifestTypes.includes(mediaType)) return { manifest: check(manifestSchema, value, source) }
  throw bad(source, `it is of type ${quote(mediaType)}, which is no image`)
}

/** @throws ProviderError BAD_IMAGE */
export function parseConfig(bytes: Uint8Array, source: string): Config {
  return check(configSchema, parseJson(bytes, source), source)
}

export function parseJson(bytes: Uint8Array, source: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw bad(source, `its metadata is no JSON: ${printable(messageOf(error))}`)
  }
}

export function check<T>(schema: z.ZodType<T>, value: unknown, source: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw bad(
    source,
    `its metadata is malformed at ${quote(issue?.path.join('.') || 'the top')}: ${printable(issue?.message ?? '')}`,
  )
}

function bad(source: string, why: string): ProviderError {
  return new ProviderError('BAD_IMAGE', `Cannot use the image ${source}: ${why}`)
}
