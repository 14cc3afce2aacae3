import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { type Digest, hexOf } from '../../src/model/digest.ts'
import { folderFiles } from '../../src/oci/folder-files.ts'
import { layoutSource } from '../../src/oci/layout.ts'
import { registrySource } from '../../src/oci/registry.ts'
import { skopeo, startDockerRegistry } from '../support/docker-registry.ts'
import { type Fault, type RegistryOptions, startRegistry, status } from '../support/fault-registry.ts'
import { type Blob, blob, blobsOf, descriptor, image, writeLayoutOf } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
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

const imageIndex = 'application/vnd.oci.image.index.v1+json'
const listOf = (...manifests: unknown[]) => blob(imageIndex, { schemaVersion: 2, manifests })

async function registryWith(tags: Record<string, Blob>, blobs: readonly Blob[], options: RegistryOptions = {}) {
  const registry = await startRegistry({ one: made.manifest, ...tags }, blobs, options)
  closing.push(registry)
  const reference = { transport: 'registry' as const, registry: registry.host, repository: 'team/image' }
  const network = { wait: async () => {} }
  return { ...registry, source: registrySource(reference, { setting: { insecure: true }, network }) }
}
const closing: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close()
})

test("a registry tells page by page what is about an image, and cosign's tags are looked at", async () => {
  const many = Array.from({ length: 7 }, (_, at) => about(subject, `application/x-${at}`))
  const tags = { [`sha256-${hexOf(subject)}.sig`]: signature }
  const { source, requests } = await registryWith(tags, [...many, other], { pageSize: 3 })
  const found = await source.referrers(subject)
  const wanted = [...many.map((one, at) => asReferrer(one, `application/x-${at}`)), asReferrer(signature)]
  expect(new Set(found)).toEqual(new Set(wanted))
  expect(found).toHaveLength(8)
  expect(requests.filter((line) => line.includes('/referrers/'))).toHaveLength(3)
})

test('a registry without the referrers API has the list under its tag, or none', async () => {
  const list = listOf(...expected)
  const { source } = await registryWith({ [`sha256-${hexOf(subject)}`]: list }, [], { referrers: false })
  expect(await source.referrers(subject)).toEqual(expected)
  expect(await source.referrers(bundle.digest)).toEqual([])
})

test.each<[string, Fault]>([
  ['400', status(400)],
  ['404', status(404)],
  ['405', status(405)],
  ['406', status(406)],
  ['a page for people', status(200, { 'content-type': 'text/html' }, '<html>')],
])('an answer of %s means that there is no such API', async (_, fault) => {
  const { source, fault: add } = await registryWith({ [`sha256-${hexOf(subject)}`]: listOf(...expected) }, [])
  add(/referrers/, fault)
  expect(await source.referrers(subject)).toEqual(expected)
})

test.each([403, 500])('an answer of %i is an error, and not an empty list', async (code) => {
  const { source, fault } = await registryWith({}, [])
  fault(/referrers/, ...Array.from({ length: 4 }, () => status(code)))
  await expect(source.referrers(subject)).rejects.toThrow(`the registry answered ${code}`)
})

test('a page of another origin is not asked for, and pages without end are', async () => {
  const elsewhere = await registryWith({}, [bundle])
  const page = (link: string): Fault =>
    status(200, { 'content-type': imageIndex, link }, listOf(...expected).bytes.toString())
  const { source, fault, requests } = await registryWith({}, [])
  const path = `/v2/team/image/referrers/${subject}`
  fault(/referrers/, page(`<http://${elsewhere.host}${path}>; rel="next"`))
  expect(await source.referrers(subject)).toEqual(expected)
  expect(elsewhere.requests).toEqual([])
  requests.length = 0
  fault(/referrers/, ...Array.from({ length: 100 }, () => page(`<${path}?n=1>; rel=next`)))
  expect(await source.referrers(subject)).toEqual(expected)
  expect(requests.filter((line) => line.includes('/referrers/'))).toHaveLength(20)
})

test('a list is cut at a thousand, and what is malformed in it is passed over', async () => {
  const many = Array.from({ length: 1500 }, (_, at) => asReferrer(blob(made.manifest.mediaType, { at })))
  const list = listOf(
    null,
    7,
    {},
    { ...many[0], digest: 'sha256:short' },
    { ...many[0], mediaType: 'text/plain' },
    ...many,
  )
  const { source, fault } = await registryWith({}, [])
  fault(/referrers/, status(200, { 'content-type': imageIndex }, list.bytes.toString()))
  expect(await source.referrers(subject)).toEqual(many.slice(0, 1000))
})

test('what is under a tag and is no manifest is no signature', async () => {
  const tags = { [`sha256-${hexOf(subject)}.sig`]: blob('text/plain', Buffer.from('x')) }
  const { source } = await registryWith(tags, [])
  expect(await source.referrers(subject)).toEqual([])
})

testWith('docker-registry', 'skopeo')('a real registry without the API gives what is under its tags', async () => {
  const layout = mkdtempSync(join(folder, 'layout-'))
  const real = await startDockerRegistry(join(folder, 'real'))
  closing.push(real)
  const tag = `sha256-${hexOf(subject)}.sig`
  writeLayoutOf(layout, { one: made.manifest, sig: signature }, blobsOf(made))
  const copy = (from: string, to: string) =>
    skopeo(
      folder,
      'copy',
      '--preserve-digests',
      '--dest-tls-verify=false',
      `oci:${layout}:${from}`,
      `docker://${real.host}/team/image:${to}`,
    )
  await copy('one', 'one')
  await copy('sig', tag)
  const reference = { transport: 'registry' as const, registry: real.host, repository: 'team/image' }
  const source = registrySource(reference, { setting: { insecure: true } })
  expect(await source.referrers(subject)).toEqual([asReferrer(signature)])
})
