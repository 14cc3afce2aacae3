import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type Digest, hexOf } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { folderFiles } from '../../src/oci/folder-files.ts'
import { layoutSource } from '../../src/oci/layout.ts'
import { openSource } from '../../src/oci/open.ts'
import { startRegistry, status } from '../support/fault-registry.ts'
import { type Blob, blob, blobsOf, descriptor, image, writeLayoutOf } from '../support/layout.ts'
import { end } from '../support/tar.ts'

const folder = mkdtempSync(join(tmpdir(), 'pgoci-referrers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const made = image([end])
const subject = made.manifest.digest

function about(digest: Digest, artifactType: string): Blob {
  return blob('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    config: { mediaType: artifactType, digest, size: 2 },
    layers: [],
    subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 },
  })
}
const bundle = about(subject, 'application/vnd.dev.sigstore.bundle.v0.3+json')
const other = about(made.config.digest, 'text/other')
const signature = image([end], { manifest: { annotations: { is: 'a signature' } } }).manifest

const asReferrer = (one: Blob, artifactType?: string) => ({
  ...descriptor(one),
  ...(artifactType ? { artifactType } : {}),
})
const expected = [asReferrer(bundle, 'application/vnd.dev.sigstore.bundle.v0.3+json'), asReferrer(signature)]

test('a layout tells what is about an image: by subject, and by the tags of cosign', async () => {
  const layout = mkdtempSync(join(folder, 'layout-'))
  const tags = { one: made.manifest, bundle, other, [`sha256-${hexOf(subject)}.sig`]: signature }
  writeLayoutOf(layout, tags, blobsOf(made))
  expect(await layoutSource(folderFiles(layout)).referrers(subject)).toEqual(expected)
  expect(await layoutSource(folderFiles(layout)).referrers(bundle.digest)).toEqual([])
})

test('a layout in which a list is kept under its tag, with entries that are malformed', async () => {
  const layout = mkdtempSync(join(folder, 'layout-'))
  const list = blob('application/vnd.oci.image.index.v1+json', {
    schemaVersion: 2,
    manifests: [null, {}, { ...descriptor(bundle), size: -1 }, descriptor(signature)],
  })
  writeLayoutOf(layout, { one: made.manifest, [`sha256-${hexOf(subject)}`]: list }, [signature])
  const path = join(layout, 'index.json')
  const index = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(path, JSON.stringify({ ...index, manifests: [7, ...index.manifests] }))
  expect(await layoutSource(folderFiles(layout)).referrers(subject)).toEqual([asReferrer(signature)])
})

test('a registry without the referrers API has the list under its tag, or none', async () => {
  const list = blob('application/vnd.oci.image.index.v1+json', { schemaVersion: 2, manifests: expected })
  const registry = await startRegistry({ one: made.manifest, [`sha256-${hexOf(subject)}`]: list }, [])
  const { host } = registry
  const source = openSource(parseReference(`${host}/team/image`), { settings: { [host]: { insecure: true } } })
  registry.fault(/referrers/, status(404))
  expect(await source.referrers(subject)).toEqual(expected)
  expect(await source.referrers(bundle.digest)).toEqual([])
  await registry.close()
})
