import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Blob, blob } from './layout.ts'
import { distributionFiles, extensionFiles, writeLayout } from './postgres-images.ts'

/** A small relocatable distribution and two extensions, for a registry in this process: `pg18`, `hstore`, `citext`. */
export async function registryImages(folder: string): Promise<{ tags: Record<string, Blob>; blobs: Blob[] }> {
  const digests = await writeLayout(folder, [
    { tag: 'pg18', files: distributionFiles() },
    ...['hstore', 'citext'].map((tag) => ({ tag, files: extensionFiles(tag) })),
  ])
  const at = join(folder, 'blobs/sha256')
  const blobs = readdirSync(at).map((name) => blob('application/octet-stream', readFileSync(join(at, name))))
  const bytesOf = (digest: string) => blobs.find((one) => one.digest === digest)?.bytes ?? Buffer.alloc(0)
  const manifest = 'application/vnd.oci.image.manifest.v1+json'
  return {
    tags: Object.fromEntries([...digests].map(([tag, digest]) => [tag, blob(manifest, bytesOf(digest))])),
    blobs,
  }
}
