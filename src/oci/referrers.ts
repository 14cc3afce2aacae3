import { z } from 'zod'
import { type Digest, hexOf } from '../model/digest.ts'
import { digestSchema, isIndexType, isManifestType } from './schema.ts'
import { maxDocument, type Referrer } from './source.ts'

/** More than anything has; a list that is longer is cut. */
export const maxReferrers = 1000

/** What an image is called in a layout: a tag, or a whole reference, as skopeo, podman and our bundles write it. */
export const refName = 'org.opencontainers.image.ref.name'

/** Where registries without the referrers API have the list (distribution-spec, "Referrers Tag Schema"). */
export const listTag = (digest: Digest) => `sha256-${hexOf(digest)}`

/** Where cosign puts signatures, attestations and SBOMs; those manifests have no subject. */
export const cosignTags = (digest: Digest) => ['sig', 'att', 'sbom'].map((kind) => `${listTag(digest)}.${kind}`)

const entrySchema = z.object({
  mediaType: z.string().max(255),
  digest: digestSchema,
  size: z.int().min(0).max(maxDocument),
  artifactType: z.string().max(255).nullish(),
  annotations: z.record(z.string(), z.unknown()).nullish(),
})

type Entry = z.infer<typeof entrySchema>

const listSchema = z.object({ manifests: z.array(z.unknown()) })

/** The manifests and indexes that an index lists. What is malformed is passed over: others may have put it there. */
export function manifestsIn(bytes: Uint8Array): Entry[] {
  const { success, data } = listSchema.safeParse(parse(bytes))
  return (success ? data.manifests : [])
    .slice(0, 10 * maxReferrers)
    .flatMap((one) => entrySchema.safeParse(one).data ?? [])
    .filter(({ mediaType }) => isIndexType(mediaType) || isManifestType(mediaType))
}

export function referrerOf({ mediaType, digest, size, artifactType }: Omit<Entry, 'annotations'>): Referrer {
  return artifactType ? { mediaType, digest, size, artifactType } : { mediaType, digest, size }
}

const subjectSchema = z.object({
  subject: z.object({ digest: z.string() }),
  artifactType: z.string().max(255).nullish(),
  config: z.object({ mediaType: z.string().max(255) }).nullish(),
})

/**
 * The referrers among the manifests that a layout lists, each of which is read for its subject.
 *
 * @param read the bytes of a manifest; one that cannot be read is passed over
 */
export async function referrersAmong(
  listed: readonly Entry[],
  digest: Digest,
  read: (digest: Digest) => Promise<Uint8Array>,
): Promise<Referrer[]> {
  const tags = cosignTags(digest)
  const found = new Map<Digest, Referrer>()
  const add = (one: Referrer) => void (found.size < maxReferrers && found.set(one.digest, one))
  for (const entry of listed) {
    const tag = String(entry.annotations?.[refName])
    // In a bundle, the tag ends a whole reference.
    if (tags.includes(tag.slice(tag.lastIndexOf(':') + 1))) {
      add(referrerOf(entry))
      continue
    }
    const bytes = await read(entry.digest).catch(() => new Uint8Array())
    if (tag === listTag(digest)) for (const one of manifestsIn(bytes)) add(referrerOf(one))
    const about = subjectSchema.safeParse(parse(bytes)).data
    if (about?.subject.digest !== digest) continue
    // image-spec, manifest.md: without an artifactType, the config's media type is the type.
    add(referrerOf({ ...entry, artifactType: about.artifactType || about.config?.mediaType }))
  }
  return [...found.values()]
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}
