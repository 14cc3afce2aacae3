import { z } from 'zod'
import { parseVersion } from '../model/version.ts'
import type { Offer } from './offer.ts'

const text = z.string().min(1).max(512)
const major = z.coerce.number().int().min(9).max(99)

// Keys that only the operator needs (bin_path, env, …) are passed over: what an image holds is read from its bytes.
const extensionSchema = z.object({ name: text, image: z.object({ reference: text }) })
const catalogSchema = z.object({
  kind: z.enum(['ImageCatalog', 'ClusterImageCatalog']),
  metadata: z.object({ labels: z.record(z.string(), z.string()).nullish() }).nullish(),
  spec: z.object({
    images: z.array(z.object({ major, extensions: z.array(extensionSchema).max(2000).nullish() })).max(100),
  }),
})

/** CloudNativePG's ImageCatalog or ClusterImageCatalog, as far as it says where extension images are. */
export type ImageCatalog = z.infer<typeof catalogSchema>

/** The catalogs among the documents of a file; others may lie beside them, as Kubernetes' files have it. */
export function findCatalogs(documents: readonly unknown[]): ImageCatalog[] {
  return documents.flatMap((one) => catalogSchema.safeParse(one).data ?? [])
}

/** What catalogs have of a name, which is the catalog's own (`pgvector`, not `vector`); `_` is written `-` there. */
export function offersOfCatalogs(catalogs: readonly ImageCatalog[], name: string): Offer[] {
  const wanted = name.replaceAll('_', '-')
  return catalogs.flatMap(({ metadata, spec }) =>
    spec.images.flatMap((image) =>
      (image.extensions ?? [])
        .filter((extension) => extension.name.replaceAll('_', '-') === wanted)
        .flatMap(({ image: { reference } }) =>
          offerOf(reference, image.major, metadata?.labels?.['images.cnpg.io/os']),
        ),
    ),
  )
}

/** Names of all that catalogs have, for messages. */
export function namesInCatalogs(catalogs: readonly ImageCatalog[]): string[] {
  return [
    ...new Set(
      catalogs.flatMap(({ spec }) => spec.images.flatMap(({ extensions }) => extensions ?? [])).map(({ name }) => name),
    ),
  ].sort()
}

/** `ghcr.io/acme/pgvector:0.8.6-202608201414-18-trixie@sha256:…`; what follows the version repeats the catalog. */
function offerOf(reference: string, major: number, label: string | undefined): Offer[] {
  const [, tag = ''] = /:([^:/@]+)(?:@.*)?$/.exec(reference) ?? []
  const [, found = tag, os = label] = /^(.+)-\d{1,2}-([a-z][a-z0-9.]*)$/.exec(tag) ?? []
  const version = parseVersion(found)
  return version ? [{ version, reference, built: { major, os } }] : []
}
