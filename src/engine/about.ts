import { z } from 'zod'
import type { Digest } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { formatName, type Reference } from '../model/reference.ts'
import { parseJson } from '../oci/json.ts'
import { cosignTags } from '../oci/referrers.ts'
import { digestSchema } from '../oci/schema.ts'
import type { Referrer, Source } from '../oci/source.ts'
import { addPiece, type Closure, type CollectOptions, list } from './closure.ts'

export interface About extends CollectOptions {
  readonly source: Source
  readonly reference: Reference
  readonly closure: Closure
}

/** A signature of an SBOM of an image is two steps away. */
const maxDepth = 2

const blobSchema = z.object({ mediaType: z.string().max(255), digest: digestSchema, size: z.int().min(0) })

/** Artifacts are manifests in which nearly all may be missing (image-spec, manifest.md, "Artifact Usage"). */
const artifactSchema = z.object({
  mediaType: z.string().max(255).nullish(),
  subject: z.object({ digest: z.string() }).nullish(),
  config: blobSchema.nullish(),
  layers: z.array(blobSchema).max(256).nullish(),
})

/**
 * Adds what says that it is about a manifest: referrers, and what cosign keeps behind tags. Whoever may push there can
 * make some, so what is malformed or about something else is left out, with a line in the log.
 */
export async function collectAbout(digest: Digest, about: About, depth = 1): Promise<void> {
  const { source, closure, log, signal, reference } = about
  const by = signal ? { signal } : {}
  const tagged = new Map<Digest, string>()
  for (const tag of cosignTags(digest)) {
    const found = await source.resolve(tag, by).catch(unlessMissing)
    if (found) tagged.set(found.digest, tag)
  }
  const untyped = [...tagged.keys()].map((one) => ({ digest: one }))
  const listed = [...(await source.referrers(digest, by)), ...untyped]
  for (const one of new Map(listed.map((entry) => [entry.digest, entry])).values()) {
    const tag = tagged.get(one.digest)
    try {
      const found = await fetchArtifact(one.digest, tag ? undefined : digest, about)
      const name = tag ? { name: `${formatName(reference)}:${tag}` } : {}
      if (!list(closure, { ...found, ...name, ...typeOf(one) })) continue
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof ProviderError) || !['BAD_IMAGE', 'NOT_FOUND'].includes(error.code)) throw error
      log(`Left out of the bundle, what says it is about ${source.name}@${digest}: ${printable(messageOf(error), 500)}`)
      continue
    }
    if (depth < maxDepth) await collectAbout(one.digest, about, depth + 1)
  }
}

/** @param subject what it must be about; cosign's own have none, their tag tells */
async function fetchArtifact(digest: Digest, subject: Digest | undefined, { source, cache, closure, signal }: About) {
  const bytes = await cache.manifest(source, digest, signal ? { signal } : {})
  const name = `${source.name}@${digest}`
  const { success, data } = artifactSchema.safeParse(parseJson(bytes, name))
  if (!success) throw new ProviderError('BAD_IMAGE', `${name} is no manifest that we can read`)
  if (subject !== undefined && data.subject?.digest !== subject)
    throw new ProviderError('BAD_IMAGE', `${name} is about something else`)
  const found = {
    mediaType: data.mediaType ?? 'application/vnd.oci.image.manifest.v1+json',
    digest,
    size: bytes.length,
  }
  addPiece(closure, { ...found, isDocument: true, source })
  for (const blob of [data.config ?? [], data.layers ?? []].flat())
    addPiece(closure, { ...blob, isDocument: false, source })
  return found
}

function typeOf({ artifactType }: Partial<Referrer>): { artifactType?: string } {
  return artifactType ? { artifactType } : {}
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof ProviderError && error.code === 'NOT_FOUND') return undefined
  throw error
}
