import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { type Blob, blob, blobsOf, descriptor, image, index, writeLayoutOf } from '../support/layout.ts'
import { pulled } from '../support/pulled.ts'
import { amd64, arm64, both, sampleBlobs, sampleLayers, sampleTree } from '../support/sample.ts'
import { directory, file, link, sum, tar } from '../support/tar.ts'

// What builders write that cannot be run here, by hand in their documented shapes (docs/images.md says which).
const oci = 'application/vnd.oci.image'
const docker = 'application/vnd.docker'
const emptyConfig = blob('application/vnd.oci.empty.v1+json', Buffer.from('{}'))
const folder = temporaryFolder()
let count = 0

async function read(root: Blob, blobs: readonly Blob[], platform = 'linux/amd64') {
  count += 1
  const layout = join(folder, `layout-${count}`)
  writeLayoutOf(layout, { it: root }, blobs)
  return pulled(`oci:${layout}:it`, {}, platform)
}

const zipped = (mark: string) => sampleLayers(mark).map((layer) => gzipSync(layer))
const plain = image(sampleLayers('amd64'))
const listed = (one: Blob, more: object) => ({ ...descriptor(one), ...more })
const indexOf = (...manifests: object[]) => blob(`${oci}.index.v1+json`, { schemaVersion: 2, manifests })
const here = { platform: { os: 'linux', architecture: 'amd64' } }

/** BuildKit, attestation-storage.md: beside each image a manifest for `unknown/unknown` that names it. */
function attestation(of: Blob) {
  const layer = blob('application/vnd.in-toto+json', { _type: 'https://in-toto.io/Statement/v1', subject: [] })
  const annotations = { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v1' }
  const config = blob(`${oci}.config.v1+json`, {
    ...{ architecture: 'unknown', os: 'unknown', config: {} },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  })
  const layers = [{ ...descriptor(layer), annotations }]
  const manifest = blob(`${oci}.manifest.v1+json`, { schemaVersion: 2, config: descriptor(config), layers })
  const entry = listed(manifest, {
    annotations: { 'vnd.docker.reference.digest': of.digest, 'vnd.docker.reference.type': 'attestation-manifest' },
    platform: { architecture: 'unknown', os: 'unknown' },
  })
  return { entry, blobs: [manifest, config, layer] }
}
const attested = [attestation(amd64.manifest), attestation(arm64.manifest)]

/** Jib and Kaniko push Docker's types; so does everything before OCI. */
function dockerImage() {
  const made = image(zipped('amd64'))
  const config = { ...descriptor(made.config), mediaType: `${docker}.container.image.v1+json` }
  const layers = made.layers.map((layer) => listed(layer, { mediaType: `${docker}.image.rootfs.diff.tar.gzip` }))
  const mediaType = `${docker}.distribution.manifest.v2+json`
  const manifest = blob(mediaType, { schemaVersion: 2, mediaType, config, layers })
  const list = blob(`${docker}.distribution.manifest.list.v2+json`, {
    schemaVersion: 2,
    mediaType: `${docker}.distribution.manifest.list.v2+json`,
    manifests: [listed(manifest, here)],
  })
  return { manifest, list, blobs: [manifest, ...blobsOf(made)] }
}
const dockers = dockerImage()

const jib = image(zipped('amd64'), {
  config: {
    created: '1970-01-01T00:00:00Z',
    author: 'Jib',
    history: [{ created: '1970-01-01T00:00:00Z', created_by: 'jib-maven-plugin:3.4.0', comment: 'classes' }],
    config: { Env: [], Entrypoint: ['java'], ExposedPorts: {}, Labels: {}, Volumes: {} },
  },
})
const bare = image(zipped('amd64'), { config: { config: undefined, created: undefined, history: undefined } })
const nulls = image(zipped('amd64'), {
  manifest: { annotations: null, subject: null, artifactType: null, mediaType: null },
  config: { config: null, history: null, created: null, author: null, variant: null, 'os.features': null },
})
const untyped = image(zipped('amd64'), { manifest: { mediaType: undefined } })
const untypedIndex = indexOf(listed(untyped.manifest, here))
const emptyLayer = gzipSync(tar())
const hollow = image([emptyLayer, ...zipped('amd64'), emptyLayer])
const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = zipped('amd64')
const twice = image([first, second, second])

type Case = [string, Blob, readonly Blob[]]
const samples: Case[] = [
  [
    'BuildKit with provenance: attestations first',
    index(
      { amd64, arm64 },
      attested.map(({ entry }) => entry),
    ),
    [...sampleBlobs, ...attested.flatMap(({ blobs }) => blobs)],
  ],
  [
    'BuildKit with provenance: one image and its attestation',
    indexOf(listed(amd64.manifest, here), attested[0]?.entry ?? {}),
    [...sampleBlobs, ...(attested[0]?.blobs ?? [])],
  ],
  ['BuildKit with compression=uncompressed', plain.manifest, blobsOf(plain)],
  ['Docker, Kaniko and Jib: Docker media types', dockers.manifest, dockers.blobs],
  ['Docker: a manifest list', dockers.list, dockers.blobs],
  ['Jib: epoch dates and empty maps', jib.manifest, blobsOf(jib)],
  ['no config, history or dates', bare.manifest, blobsOf(bare)],
  ['null wherever something is optional', nulls.manifest, blobsOf(nulls)],
  ['a manifest without its media type', untyped.manifest, blobsOf(untyped)],
  ['an index without its media type', untypedIndex, blobsOf(untyped)],
  ['empty layers before and after', hollow.manifest, blobsOf(hollow)],
  ['one layer twice', twice.manifest, blobsOf(twice)],
  ['Bazel rules_oci: an index in the index of a layout', indexOf(descriptor(both)), [both, ...sampleBlobs]],
  [
    'artifactType on an image',
    blob(`${oci}.manifest.v1+json`, { ...JSON.parse(amd64.manifest.bytes.toString()), artifactType: 'a/b' }),
    blobsOf(amd64),
  ],
  [
    'ko: annotations on index and manifest, a base of another builder',
    blob(`${oci}.index.v1+json`, {
      schemaVersion: 2,
      mediaType: `${oci}.index.v1+json`,
      annotations: { 'org.opencontainers.image.base.name': 'cgr.dev/chainguard/static:latest' },
      manifests: [listed(amd64.manifest, { ...here, annotations: { a: 'b' } })],
    }),
    sampleBlobs,
  ],
]

test.each(samples)('%s', async (_, root, blobs) => {
  expect((await read(root, blobs)).tree).toEqual(sampleTree('amd64'))
})

test('Nix: one layer a store path, each with its parents again, and one of links', async () => {
  const paths = ['aaaa-glibc-2.40', 'bbbb-icu-76', 'cccc-postgresql-17']
  const layers = paths.map((name) =>
    gzipSync(
      tar(
        directory('./'),
        directory('./nix'),
        directory('./nix/store'),
        directory(`./nix/store/${name}`),
        file(`./nix/store/${name}/x`, name, 0o444),
      ),
    ),
  )
  const links = gzipSync(tar(directory('./'), directory('./bin'), link('./bin/x', '/nix/store/cccc-postgresql-17/x')))
  const made = image([...layers, links], { config: { created: '1970-01-01T00:00:01Z', config: { Env: null } } })
  expect((await read(made.manifest, blobsOf(made))).tree).toEqual(
    [
      ...['bin/', 'bin/x -> /nix/store/cccc-postgresql-17/x', 'nix/', 'nix/store/'],
      ...paths.flatMap((name) => [`nix/store/${name}/`, `nix/store/${name}/x = ${sum(name)}`]),
    ].sort(),
  )
})

test('apko: one layer, no history, a variant', async () => {
  const made = image([gzipSync(tar(directory('usr'), file('usr/a', 'a')))], {
    architecture: 'arm64',
    config: { variant: 'v8', author: 'github.com/chainguard-dev/apko', created: '1970-01-01T00:00:00Z' },
  })
  const root = indexOf(listed(made.manifest, { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }))
  expect((await read(root, blobsOf(made), 'linux/arm64')).tree).toEqual([`usr/`, `usr/a = ${sum('a')}`])
})

/** image-spec, manifest.md, "Guidelines for Artifact Usage": an own type, an empty config, any layers. */
function artifact(options: { config?: Blob; layerType?: string } = {}) {
  const { config = emptyConfig } = options
  const layers = zipped('amd64').map((layer) => blob(options.layerType ?? `${oci}.layer.v1.tar+gzip`, layer))
  const manifest = blob(`${oci}.manifest.v1+json`, {
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    artifactType: 'application/vnd.acme.extension',
    config: descriptor(config),
    layers: layers.map((layer) => listed(layer, { annotations: { 'org.opencontainers.image.title': 'x.tgz' } })),
  })
  return { manifest, blobs: [manifest, config, ...layers] }
}
const onlyPlatform = blob(`${oci}.config.v1+json`, { architecture: 'amd64', os: 'linux' })

test('an artifact of tar layers is read when its config or its index says what it is for', async () => {
  const alone = artifact()
  const stated = artifact({ config: onlyPlatform })
  const found = await read(indexOf(listed(alone.manifest, here)), alone.blobs)
  expect(found.tree).toEqual(sampleTree('amd64'))
  expect((await read(stated.manifest, stated.blobs)).tree).toEqual(sampleTree('amd64'))
})

test.each<[string, { manifest: Blob; blobs: readonly Blob[] }, RegExp]>([
  ['that names no platform', artifact(), /it is an artifact that names no platform; push it with one, as in oras push/],
  [
    'for another platform',
    artifact({ config: blob(`${oci}.config.v1+json`, { os: 'linux', architecture: 's390x' }) }),
    /it is for linux\/s390x/,
  ],
  [
    'of other files',
    artifact({ layerType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip' }),
    /which is no file system layer; choose an image/,
  ],
])('an artifact %s is refused', async (_, { manifest, blobs }, says) => {
  await expect(read(manifest, blobs)).rejects.toThrow(says)
})

test('an image whose config lacks its root is no artifact', async () => {
  const { layers } = amd64
  const manifest = blob(`${oci}.manifest.v1+json`, {
    schemaVersion: 2,
    config: descriptor(onlyPlatform),
    layers: layers.map(descriptor),
  })
  await expect(read(manifest, [onlyPlatform, ...layers])).rejects.toThrow(/"rootfs"/)
})

test('the config of an artifact is not parsed, whatever it says', async () => {
  const config = blob('application/vnd.acme.config+json', {
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: [] },
  })
  const { manifest, blobs } = artifact({ config })
  await expect(read(manifest, blobs)).rejects.toThrow(/names no platform/)
})
