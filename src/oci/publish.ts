import { Readable } from 'node:stream'
import { type Digest, digestOf } from '../model/digest.ts'
import type { RegistryReference } from '../model/reference.ts'
import type { Environment } from './environment.ts'
import { openDirectly } from './mirrored.ts'
import type { Repository } from './repository.ts'
import { type Upload, uploadBlob } from './upload.ts'

/** One blob with its kind, as a registry keeps it (image-spec, "Guidelines for Artifact Usage"). */
export interface Artifact {
  readonly artifactType: string
  readonly blob: Upload
}

/** The config of what has none: `{}` (image-spec, "Guidance for an Empty Descriptor"). */
const empty = Buffer.from('{}')
const emptyType = 'application/vnd.oci.empty.v1+json'
const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/**
 * Puts an artifact into a registry under the reference's tag. Resolving means that the registry has its manifest and its
 * blob; what is there is not sent again.
 *
 * @returns the manifest's digest, and where the blob can be had
 * @throws ProviderError REGISTRY_REFUSED, REGISTRY_FAILED, DIGEST_MISMATCH
 */
export async function publishArtifact(
  reference: RegistryReference & { readonly tag: string },
  { artifactType, blob }: Artifact,
  { environment, signal }: { readonly environment: Environment; readonly signal?: AbortSignal },
): Promise<{ readonly digest: Digest; readonly blob: URL }> {
  const repository = openDirectly(reference, environment, 'writer')
  const options = { repository, network: environment.network, signal }
  const config = { mediaType: emptyType, digest: digestOf(empty), size: empty.length }
  await uploadBlob(blob, options)
  await uploadBlob({ ...config, open: () => Readable.from([empty]) }, options)
  const { mediaType, digest, size } = blob
  const layers = [{ mediaType, digest, size }]
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: manifestType, artifactType, config, layers }),
  )
  await putManifest(repository, { tag: reference.tag, bytes: manifest, signal })
  return { digest: digestOf(manifest), blob: repository.urlOf(`blobs/${digest}`) }
}

async function putManifest(
  repository: Repository,
  { tag, bytes, signal }: { readonly tag: string; readonly bytes: Buffer; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const path = `manifests/${tag}`
  const found = await repository.ask(path, { method: 'HEAD', headers: { accept: manifestType }, signal })
  await found.body.dump()
  if (found.statusCode === 200 && found.headers['docker-content-digest'] === digestOf(bytes)) return
  const headers = { 'content-type': manifestType }
  const answer = await repository.expect(path, { method: 'PUT', headers, body: bytes, statuses: [201], signal })
  await answer.body.dump()
}
