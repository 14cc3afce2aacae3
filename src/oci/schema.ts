import { z } from 'zod'
import { type Digest, isDigest } from '../model/digest.ts'
import { printable, quote } from '../model/quote.ts'
import { bad, parseJson } from './json.ts'

export const digestSchema = z
  .string()
  .refine(isDigest, 'is no sha256 digest, and others are not supported') as unknown as z.ZodType<Digest>

/** RFC 6838, 4.2. */
const mediaTypeSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/, 'is no media type')

const sizeSchema = z.int().min(0)

const descriptorSchema = z.object({ mediaType: mediaTypeSchema, digest: digestSchema, size: sizeSchema })

const platformSchema = z.object({
  os: z.string().max(64),
  architecture: z.string().max(64),
  variant: z.string().max(64).nullish(),
})

const indexSchema = z.object({
  schemaVersion: z.literal(2),
  manifests: z
    .array(
      z.object({
        mediaType: mediaTypeSchema,
        // Entries that we do not choose may have digests that we do not know (image-spec, descriptor.md, "Digests").
        digest: z
          .string()
          .max(255)
          .regex(/^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+$/, 'is no digest'),
        size: sizeSchema,
        platform: platformSchema.nullish(),
        annotations: z.record(z.string(), z.string()).nullish(),
      }),
    )
    .max(10_000),
  // One document that is both an index and a manifest means different things to different readers (CVE-2021-41190).
  layers: z.undefined('is that of a manifest, and this is an index').optional(),
  config: z.undefined('is that of a manifest, and this is an index').optional(),
})

const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  artifactType: z.string().max(255).nullish(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema).min(1, 'is empty').max(256),
  // For people only, so what is no map of texts is passed over.
  annotations: z.record(z.string(), z.string()).nullish().catch(undefined),
  manifests: z.undefined('is that of an index, and this is a manifest').optional(),
})

const configSchema = z.object({
  os: z.string().max(64),
  architecture: z.string().max(64),
  variant: z.string().max(64).nullish(),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.array(digestSchema) }),
  config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
})

/** `oras push --artifact-platform` writes a config that has a platform and nothing else. */
const artifactConfigSchema = configSchema.extend({ rootfs: configSchema.shape.rootfs.nullish() })

export type Index = z.infer<typeof indexSchema>
export type Manifest = z.infer<typeof manifestSchema>
export type Config = z.infer<typeof configSchema>

const ociIndex = 'application/vnd.oci.image.index.v1+json'
const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
const indexTypes = [ociIndex, 'application/vnd.docker.distribution.manifest.list.v2+json']
const manifestTypes = [ociManifest, 'application/vnd.docker.distribution.manifest.v2+json']

const configTypes = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json']

/** A config of another type must not be parsed: its manifest is an artifact's (image-spec, manifest.md). */
export function isConfigType(mediaType: string): boolean {
  return configTypes.includes(mediaType)
}

/** What we ask registries for. */
export const acceptedManifests = [...indexTypes, ...manifestTypes].join(', ')

export function isIndexType(mediaType: string): boolean {
  return indexTypes.includes(mediaType)
}

export function isManifestType(mediaType: string): boolean {
  return manifestTypes.includes(mediaType)
}

/** The media type of a header, without its parameters. */
export function typeOf(contentType: string | string[] | undefined): string | undefined {
  return typeof contentType === 'string' ? contentType.split(';')[0]?.trim().toLowerCase() : undefined
}

/** What a document says that it is, if it does and can be read. */
export function mediaTypeIn(bytes: Uint8Array): string | undefined {
  try {
    return kindSchema.parse(JSON.parse(new TextDecoder().decode(bytes))).mediaType ?? undefined
  } catch {
    return undefined
  }
}

/** What we read of these documents. */
const keys = [
  ...['schemaVersion', 'mediaType', 'artifactType', 'config', 'layers', 'manifests', 'subject', 'annotations'],
  ...['digest', 'size', 'platform', 'os', 'architecture', 'variant', 'rootfs', 'type', 'diff_ids', 'Labels'],
]

const kindSchema = z.object({
  schemaVersion: z.unknown().optional(),
  mediaType: z.string().nullish(),
  manifests: z.unknown().optional(),
})

/**
 * Whether a document is an index or a manifest is told by its bytes, which its digest covers, and never by a header
 * of an answer, which nothing covers. umoci writes manifests without a media type, which is legal; their fields tell.
 *
 * @throws ProviderError BAD_IMAGE
 */
export function parseIndexOrManifest(
  bytes: Uint8Array,
  source: string,
): { readonly mediaType: string } & ({ readonly index: Index } | { readonly manifest: Manifest }) {
  const value = parseJson(bytes, source, { keys })
  const { schemaVersion, mediaType, manifests } = check(kindSchema, value, source)
  if (schemaVersion === 1) throw bad(source, 'it is a Docker schema 1 manifest; push it again with a current tool')
  const isIndex = mediaType ? isIndexType(mediaType) : manifests !== undefined
  if (isIndex) return { mediaType: mediaType || ociIndex, index: check(indexSchema, value, source) }
  if (!mediaType || isManifestType(mediaType))
    return { mediaType: mediaType || ociManifest, manifest: check(manifestSchema, value, source) }
  throw bad(source, `it is of type ${quote(mediaType)}, which is no image; choose another reference`)
}

/** @throws ProviderError BAD_IMAGE */
export function parseArtifactConfig(bytes: Uint8Array, source: string): z.infer<typeof artifactConfigSchema> {
  return check(artifactConfigSchema, parseJson(bytes, source, { keys }), source)
}

/** @throws ProviderError BAD_IMAGE */
export function parseConfig(bytes: Uint8Array, source: string): Config {
  return check(configSchema, parseJson(bytes, source, { keys }), source)
}

export function check<T>(schema: z.ZodType<T>, value: unknown, source: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw bad(
    source,
    `its metadata is malformed, ${quote(issue?.path.join('.') || 'all of it')} ${printable(issue?.message ?? '')}; push it again`,
  )
}
