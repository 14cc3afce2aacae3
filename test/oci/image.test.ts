import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { openCache } from '../../src/oci/cache.ts'
import { folderFiles } from '../../src/oci/folder-files.ts'
import { type Image, readImage } from '../../src/oci/image.ts'
import { layoutSource } from '../../src/oci/layout.ts'
import { type Blob, blob, blobsOf, descriptor, image, index, writeLayoutOf } from '../support/layout.ts'
import { end } from '../support/tar.ts'

const folder = mkdtempSync(join(tmpdir(), 'pgoci-image-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Reads what is below a root, from a layout that holds these blobs. */
async function read(root: Blob, blobs: readonly Blob[], platform = 'amd64'): Promise<Image> {
  const layout = mkdtempSync(join(folder, 'layout-'))
  writeLayoutOf(layout, { root }, blobs)
  const [architecture = '', variant] = platform.split('/')
  const host = { os: 'linux', architecture, ...(variant ? { variant } : {}) }
  const cache = openCache(mkdtempSync(join(folder, 'cache-')))
  return readImage(layoutSource(folderFiles(layout)), root.digest, { cache, platform: host })
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'
const of = (text: string, options: Parameters<typeof image>[1] = {}) =>
  image([Buffer.concat([end, Buffer.alloc(512 * text.length)])], options)
const amd64 = of('a')
const arm64 = of('bb', { architecture: 'arm64' })
const v2 = of('ccc', { config: { variant: 'v2' } })
const v3 = of('dddd', { config: { variant: 'v3' } })
const all = [amd64, arm64, v2, v3].flatMap(blobsOf)
const attestation = { ...descriptor(amd64.manifest), platform: { os: 'unknown', architecture: 'unknown' } }
const artifact = { mediaType: 'application/vnd.example+json', digest: 'blake3:00', size: 1 }
const indexOf = (...manifests: readonly object[]) => blob(indexType, { schemaVersion: 2, manifests })
const entry = (one: Blob, architecture?: string) => ({
  ...descriptor(one),
  ...(architecture ? { platform: { os: 'linux', architecture } } : {}),
})

test.each<[string, Blob, string, Blob]>([
  ['a manifest alone', amd64.manifest, 'amd64', amd64.manifest],
  ['an index', index({ amd64, arm64 }), 'arm64', arm64.manifest],
  ['an index in any order', index({ arm64, amd64 }), 'amd64', amd64.manifest],
  ['attestations and artifacts first', index({ amd64 }, [attestation, artifact]), 'amd64', amd64.manifest],
  [
    'the baseline for a host that says no more',
    index({ 'amd64/v3': v3, 'amd64/v2': v2, amd64 }),
    'amd64',
    amd64.manifest,
  ],
  ['the best variant that the host runs', index({ amd64, 'amd64/v2': v2, 'amd64/v3': v3 }), 'amd64/v3', v3.manifest],
  ['a lower variant than the host has', index({ amd64, 'amd64/v2': v2 }), 'amd64/v3', v2.manifest],
  ['no variant that is above the host', index({ 'amd64/v3': v3, 'amd64/v2': v2 }), 'amd64/v2', v2.manifest],
  [
    'the first of two for one platform',
    indexOf(entry(amd64.manifest, 'amd64'), entry(v2.manifest, 'amd64')),
    'amd64',
    amd64.manifest,
  ],
  ['the only one, without a platform', indexOf(entry(arm64.manifest)), 'arm64', arm64.manifest],
])('%s gives the image', async (_, root, platform, wanted) => {
  expect((await read(root, all, platform)).manifest).toBe(wanted.digest)
})

test('an index in an index is looked into', async () => {
  const inner = index({ arm64 })
  const outer = indexOf(entry(inner), entry(amd64.manifest, 'amd64'))
  expect((await read(outer, [inner, ...all], 'arm64')).manifest).toBe(arm64.manifest.digest)
  expect((await read(outer, [inner, ...all], 'amd64')).manifest).toBe(amd64.manifest.digest)
})

test('indexes in indexes have an end', async () => {
  let inner = index({ amd64 })
  const blobs = [...all]
  for (let depth = 0; depth < 5; depth += 1) {
    blobs.push(inner)
    inner = indexOf(entry(inner))
  }
  await expect(read(inner, blobs)).rejects.toThrow('its indexes hold too many indexes')
  const many = indexOf(...Array.from({ length: 20 }, () => entry(index({ arm64 }))))
  await expect(read(many, [index({ arm64 }), ...all])).rejects.toThrow('its indexes hold too many indexes')
})

test('what umoci writes, without a media type, and null for what is not there', async () => {
  const made = of('e', {
    manifest: { mediaType: undefined, annotations: null },
    config: { config: null, variant: null },
  })
  expect(await read(made.manifest, blobsOf(made))).toMatchObject({ platform: 'linux/amd64', labels: {} })
})

test('labels and layers come with what proves them', async () => {
  const made = of('f', { config: { config: { Labels: { a: 'b' } } } })
  const [layer] = made.layers
  expect(await read(made.manifest, blobsOf(made))).toEqual({
    manifest: made.manifest.digest,
    platform: 'linux/amd64',
    platforms: ['linux/amd64'],
    labels: { a: 'b' },
    annotations: {},
    layers: [{ ...descriptor(layer as Blob), diffId: layer?.digest }],
  })
})

const layer = amd64.layers[0] as Blob
const withManifest = (manifest: object) => of('a', { manifest }).manifest
const withConfig = (config: object) => of('a', { config })
const refusals: [string, Blob, readonly Blob[], RegExp][] = [
  [
    'an index without the host',
    index({ arm64 }),
    all,
    /on a linux\/amd64 host: it is for linux\/arm64; choose an image built for linux\/amd64/,
  ],
  ['an index of nothing', indexOf(), all, /it is for no platform at all/],
  ['a manifest for another host', arm64.manifest, all, /it is for linux\/arm64/],
  ['a platform that lies', indexOf(entry(arm64.manifest, 'amd64')), all, /it is for linux\/arm64/],
  [
    'a digest of another kind',
    indexOf({
      mediaType: manifestType,
      digest: `sha512:${'0'.repeat(128)}`,
      size: 1,
      platform: { os: 'linux', architecture: 'amd64' },
    }),
    all,
    /is no sha256/,
  ],
  [
    'both an index and a manifest (CVE-2021-41190)',
    blob(indexType, { schemaVersion: 2, manifests: [], layers: [] }),
    all,
    /"layers" is that of a manifest/,
  ],
  ['both a manifest and an index', withManifest({ manifests: [] }), all, /"manifests" is that of an index/],
  ['both, without a media type', withManifest({ manifests: [], mediaType: undefined }), all, /is that of a manifest/],
  ['Docker schema 1', blob(manifestType, { schemaVersion: 1 }), all, /Docker schema 1/],
  [
    'an unknown type',
    blob(manifestType, { schemaVersion: 2, mediaType: 'text/plain' }),
    all,
    /"text\/plain", which is no image/,
  ],
  [
    'a layer that is none',
    withManifest({ layers: [{ ...descriptor(layer), mediaType: 'text/plain' }] }),
    all,
    /"text\/plain", which is no file system layer/,
  ],
  ['no layer', withManifest({ layers: [] }), all, /"layers" is empty/],
  ['no JSON', blob(manifestType, Buffer.from('{')), all, /is no JSON/],
  ['JSON that is not UTF-8', blob(manifestType, Buffer.from([0x22, 0xff, 0x22])), all, /is no JSON/],
  [
    'a digest that is a path (CVE-2024-3727)',
    withManifest({ layers: [{ ...descriptor(layer), digest: 'sha256:../../x' }] }),
    all,
    /"layers.0.digest" is no sha256 digest/,
  ],
  [
    'a digest in capitals',
    withManifest({ layers: [{ ...descriptor(layer), digest: layer.digest.toUpperCase().replace('SHA', 'sha') }] }),
    all,
    /is no sha256 digest/,
  ],
  ['a negative size', withManifest({ layers: [{ ...descriptor(layer), size: -1 }] }), all, /"layers.0.size"/],
  [
    'a size beyond everything',
    withManifest({ layers: [{ ...descriptor(layer), size: 2 ** 52 }] }),
    all,
    /larger than 8 GiB/,
  ],
  [
    'a config beyond 4 MiB',
    withManifest({ config: { ...descriptor(amd64.config), size: 5 * 1024 ** 2 } }),
    all,
    /config is larger than 4 MiB/,
  ],
  [
    'a config of another size',
    withManifest({ config: { ...descriptor(amd64.config), size: 5 } }),
    all,
    /more than the announced 5 bytes came/,
  ],
  ['a config that is not there', withManifest({}), [layer], /the layout is incomplete/],
  [
    'layers without diff ids',
    withConfig({ rootfs: { type: 'layers', diff_ids: [] } }).manifest,
    blobsOf(withConfig({ rootfs: { type: 'layers', diff_ids: [] } })),
    /1 layers, its config lists 0/,
  ],
  [
    'a root that is no layers',
    withConfig({ rootfs: { type: 'disk', diff_ids: [] } }).manifest,
    blobsOf(withConfig({ rootfs: { type: 'disk', diff_ids: [] } })),
    /"rootfs.type"/,
  ],
]

test.each(refusals)('%s is refused', async (_, root, blobs, says) => {
  const error = await read(root, blobs).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ProviderError)
  expect((error as ProviderError).message).toMatch(says)
  expect((error as ProviderError).message).toMatch(/^Cannot [^\n]*; [^\n]*$/)
})
