import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, expect } from 'vitest'
import { digestOf } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { readImage } from '../../src/oci/image.ts'
import { openSource } from '../../src/oci/open.ts'
import type { RegistrySettings } from '../../src/oci/settings.ts'
import { type RealRegistry, skopeo, startDockerRegistry } from '../support/docker-registry.ts'
import { blobsOf, image, index, writeLayoutOf } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { directory, file, tar } from '../support/tar.ts'

const folder = mkdtempSync(join(tmpdir(), 'pgoci-registry-'))
const layers = (text: string) => [
  gzipSync(tar(directory('lib'), file('lib/a.so', text))),
  gzipSync(tar(file('b', text))),
]
const amd64 = image(layers('amd64'))
const arm64 = image(layers('arm64'), { architecture: 'arm64' })
const both = index({ amd64, arm64 })
const layout = join(folder, 'layout')
writeLayoutOf(layout, { both, one: amd64.manifest }, [...blobsOf(amd64), ...blobsOf(arm64)])

const closing: { close(): Promise<void> }[] = []
afterAll(async () => {
  for (const one of closing) await one.close()
  rmSync(folder, { recursive: true, force: true })
})

async function real(name: string, options: { tls?: boolean } = {}): Promise<RealRegistry> {
  const registry = await startDockerRegistry(join(folder, name), options)
  closing.push(registry)
  return registry
}

/** Reads an image whole, as `up` does, and returns what it says and the sha256 of its layers' files. */
async function pulled(reference: string, settings: RegistrySettings, architecture: string) {
  const source = openSource(parseReference(reference), { settings })
  const { digest } = await source.resolve(reference.slice(reference.lastIndexOf(':') + 1))
  const cache = openCache(mkdtempSync(join(folder, 'cache-')))
  const found = await readImage(source, digest, { cache, platform: { os: 'linux', architecture } })
  const blobs: string[] = []
  for (const layer of found.layers) blobs.push(digestOf(readFileSync(await cache.blob(source, layer))))
  return { digest, manifest: found.manifest, platform: found.platform, blobs }
}

testWith('docker-registry', 'skopeo')(
  'an index that skopeo pushed to a plain registry gives each platform its image',
  async () => {
    const { host } = await real('plain')
    await skopeo(
      folder,
      'copy',
      '--all',
      '--dest-tls-verify=false',
      `oci:${layout}:both`,
      `docker://${host}/team/pg:17`,
    )
    for (const [architecture, made] of [
      ['amd64', amd64],
      ['arm64', arm64],
    ] as const) {
      expect(await pulled(`${host}/team/pg:17`, { [host]: { insecure: true } }, architecture)).toEqual({
        digest: both.digest,
        manifest: made.manifest.digest,
        platform: `linux/${architecture}`,
        blobs: made.layers.map((layer) => layer.digest),
      })
    }
    const missing = openSource(parseReference(`${host}/team/pg:18`), { settings: { [host]: { insecure: true } } })
    await expect(missing.resolve('18')).rejects.toThrow(/404 \(MANIFEST_UNKNOWN: manifest unknown\)/)
    await expect(openSource(parseReference(`${host}/team/pg:17`), {}).resolve('17')).rejects.toThrow(
      `Cannot reach ${host}/team/pg: ${host} does not speak TLS; if it is a plain HTTP registry, set insecure of "${host}" in postgres-oci:registries (for npx pgoci, in PGOCI_REGISTRIES) to true`,
    )
  },
)

testWith(
  'docker-registry',
  'skopeo',
  'openssl',
)('a registry with a certificate of an own authority is trusted when caFile names it', async () => {
  const { host, caFile = '' } = await real('tls', { tls: true })
  const certificates = join(folder, 'certs')
  mkdirSync(certificates)
  const words = ['copy', '--all', `--dest-cert-dir=${join(folder, 'certs')}`, '--dest-tls-verify=false']
  await skopeo(folder, ...words, `oci:${layout}:both`, `docker://${host}/team/pg:17`)
  const { digest } = await pulled(`${host}/team/pg:17`, { [host]: { caFile } }, 'amd64')
  expect(digest).toBe(both.digest)
  const reference = parseReference(`${host}/team/pg:17`)
  await expect(openSource(reference, {}).resolve('17')).rejects.toThrow(
    /the certificate of 127\.0\.0\.1:\d+ is not accepted \(.*\); set caFile of "127\.0\.0\.1:\d+" in postgres-oci:registries/,
  )
  const none = { settings: { [host]: { caFile: join(folder, 'none.pem') } } }
  await expect(openSource(reference, none).resolve('17')).rejects.toThrow(
    /Cannot use ".*none\.pem": there is no such file/,
  )
})
