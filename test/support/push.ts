import { type Blob, descriptor } from './layout.ts'

/** Puts blobs into a registry of loopback, as the distribution specification says: POST, then PUT. */
export async function pushBlobs(repository: string, blobs: readonly Blob[]): Promise<void> {
  const [host, ...name] = repository.split('/')
  for (const blob of blobs) {
    const { headers } = await fetch(`http://${host}/v2/${name.join('/')}/blobs/uploads/`, { method: 'POST' })
    const to = new URL(headers.get('location') ?? '', `http://${host}`)
    to.searchParams.set('digest', blob.digest)
    await expect201(await fetch(to, { method: 'PUT', body: new Uint8Array(blob.bytes) }))
  }
}

/** @param name a tag or the manifest's digest */
export async function pushManifest(repository: string, manifest: Blob, name: string = manifest.digest): Promise<void> {
  const [host, ...path] = repository.split('/')
  const url = `http://${host}/v2/${path.join('/')}/manifests/${name}`
  const headers = { 'content-type': manifest.mediaType }
  await expect201(await fetch(url, { method: 'PUT', headers, body: new Uint8Array(manifest.bytes) }))
}

async function expect201(answer: Response): Promise<void> {
  if (answer.status !== 201) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`)
}

/** A manifest that holds one text and may say what it is about: a signature, an SBOM. */
export function artifact(content: Blob, config: Blob, more: object): object {
  return { schemaVersion: 2, config: descriptor(config), layers: [descriptor(content)], ...more }
}
