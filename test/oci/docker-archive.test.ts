import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { beforeEach, expect, test } from 'vitest'
import { hexOf } from '../../src/model/digest.ts'
import { ProviderError } from '../../src/model/error.ts'
import { archiveFiles } from '../../src/oci/archive-files.ts'
import { dockerArchiveSource } from '../../src/oci/docker-archive.ts'
import { command } from '../support/command.ts'
import { skopeo } from '../support/docker-registry.ts'
import { startRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { goModule } from '../support/go-module.ts'
import { type Blob, blobsOf, image, index, layoutFilesOf, tarOf, writeLayoutOf } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { pulled } from '../support/pulled.ts'
import { amd64, sampleTree } from '../support/sample.ts'
import { file, link, sum, tar } from '../support/tar.ts'

const layers = amd64.layers.map(({ bytes }) => gunzipSync(bytes)) as [Buffer, Buffer]
const id = (number: number) => String(number).repeat(64)
const config = `${hexOf(amd64.config.digest)}.json`
const listed = (more = {}) => ({
  Config: config,
  RepoTags: ['postgres:17', 'registry.example.com:5000/acme/pg:17.6'],
  Layers: [`${id(1)}/layer.tar`, `${id(2)}/layer.tar`],
  ...more,
})

/** What `docker save` wrote until version 24; `undefined` takes a file out. */
function save(list: unknown = [listed()], files: Readonly<Record<string, Buffer | undefined>> = {}): Buffer {
  const all = {
    [`${id(1)}/layer.tar`]: layers[0],
    [`${id(2)}/layer.tar`]: layers[1],
    [config]: amd64.config.bytes,
    'manifest.json': Buffer.from(JSON.stringify(list)),
    repositories: Buffer.from('{}'),
    ...files,
  }
  return tarOf(new Map(Object.entries(all).filter((one): one is [string, Buffer] => one[1] !== undefined)))
}

let folder: string
let path: string
beforeEach(() => {
  folder = temporaryFolder()
  path = join(folder, 'saved.tar')
})
const source = () => dockerArchiveSource(archiveFiles(path, 'docker-archive'))
const pull = (tag = '') => pulled(`docker-archive:${path}${tag}`)

async function failure(run: Promise<unknown>): Promise<string> {
  const error = await run.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ProviderError)
  const { message } = error as ProviderError
  expect(message).toMatch(/^Cannot [^\n]+$/)
  return message
}

test.each([
  '',
  ':17',
  ':postgres:17',
  ':docker.io/library/postgres:17',
  ':17.6',
  ':registry.example.com:5000/acme/pg:17.6',
])('an archive of docker save is read, by the tag "%s"', async (tag) => {
  writeFileSync(path, save())
  expect((await pull(tag)).tree).toEqual(sampleTree('amd64'))
})

test('a tag that is missing, or means two images, names what there is', async () => {
  const other = image([tar(file('other', 'other'))])
  const extra = { 'other.json': other.config.bytes, 'other.tar': other.layers[0]?.bytes }
  writeFileSync(
    path,
    save([listed(), { Config: 'other.json', RepoTags: ['pgvector:17'], Layers: ['other.tar'] }], extra),
  )
  const names = 'postgres:17, registry.example.com:5000/acme/pg:17.6, pgvector:17'
  expect(await failure(pull(':16'))).toContain(`Cannot find the tag "16" in docker-archive:${path}: it has ${names}`)
  expect(await failure(pull(':17'))).toContain(`2 fit, and its tags are ${names}; name one tag`)
  expect((await pull(':pgvector:17')).tree).toEqual([`other = ${sum('other')}`])
})

test('the same content has the same pin, however it is packed, and a pin outlives a rebuild', async () => {
  writeFileSync(path, save())
  const pin = (await pull()).digest
  writeFileSync(path, gzipSync(save([listed({ RepoTags: null })])))
  expect((await pull()).digest).toBe(pin)
  const other = image([tar(file('other'))])
  const entry = { Config: 'other.json', RepoTags: ['other'], Layers: ['other.tar'] }
  writeFileSync(
    path,
    save([entry, listed()], { 'other.json': other.config.bytes, 'other.tar': other.layers[0]?.bytes }),
  )
  expect((await pull(`@${pin}`)).tree).toEqual(sampleTree('amd64'))
  writeFileSync(path, save([entry], { 'other.json': other.config.bytes, 'other.tar': other.layers[0]?.bytes }))
  expect(await failure(pull(`@${pin}`))).toContain(
    `Cannot find ${pin} in docker-archive:${path}: that is not among its images`,
  )
})

test('layers may be links to one another, and compressed', async () => {
  const files = [link(`${id(1)}/layer.tar`, `../${id(3)}/layer.tar`), file(`${id(3)}/layer.tar`, layers[0])]
  writeFileSync(path, Buffer.concat([...files, save(undefined, { [`${id(1)}/layer.tar`]: undefined })]))
  expect((await pull()).tree).toEqual(sampleTree('amd64'))
  const packed = { [`${id(1)}/layer.tar`]: gzipSync(layers[0]), [`${id(2)}/layer.tar`]: zstdCompressSync(layers[1]) }
  writeFileSync(path, save(undefined, packed))
  const { mediaTypes, tree } = await pull()
  expect(tree).toEqual(sampleTree('amd64'))
  expect(mediaTypes.map((type) => type.split('+')[1])).toEqual(['gzip', 'zstd'])
})

test('a layout within it is used where it is whole, else manifest.json', async () => {
  const named = layoutFilesOf({ 'postgres:17': amd64.manifest }, blobsOf(amd64))
  const hybrid = (more: Record<string, Buffer | undefined> = {}) =>
    save(undefined, { ...Object.fromEntries(named), ...more })
  const blobAt = (one: Blob) => `blobs/sha256/${hexOf(one.digest)}`
  writeFileSync(path, save())
  const made = (await pull()).digest
  for (const [more, expected] of [
    [{}, amd64.manifest.digest],
    [{ [blobAt(amd64.layers[1] as Blob)]: undefined }, made],
    [{ [blobAt(amd64.config)]: undefined }, made],
    [{ [blobAt(amd64.manifest)]: undefined }, made],
    [{ 'oci-layout': undefined }, made],
    [{ 'index.json': Buffer.from('{"schemaVersion":2,"manifests":null}') }, made],
  ] as const) {
    writeFileSync(path, hybrid(more))
    expect(await pull(':postgres:17')).toMatchObject({ digest: expected, tree: sampleTree('amd64') })
  }
  // Pinned by one, it is found whatever else is in it.
  expect((await pull(`@${made}`)).tree).toEqual(sampleTree('amd64'))
  writeFileSync(path, hybrid())
  expect((await pull(`@${amd64.manifest.digest}`)).tree).toEqual(sampleTree('amd64'))
  expect(await source().referrers(amd64.manifest.digest)).toEqual([])
})

test('of an index, Docker saves the platforms that it has', async () => {
  const arm64 = image([tar(file('arm'))], { architecture: 'arm64' })
  const both = index({ arm64, amd64 })
  const saved = layoutFilesOf({ 'postgres:17': both }, blobsOf(amd64))
  writeFileSync(path, save(undefined, Object.fromEntries(saved)))
  expect(await pull(':17')).toMatchObject({ digest: both.digest, tree: sampleTree('amd64') })
  await expect(pulled(`docker-archive:${path}:17`, {}, 'linux/arm64')).rejects.toThrow(
    /Cannot find sha256:.* that is not among its images/,
  )
})

test('a layout without manifest.json is one all the same', async () => {
  writeFileSync(path, tarOf(layoutFilesOf({ 'postgres:17': amd64.manifest }, blobsOf(amd64))))
  expect(await pull(':17')).toMatchObject({ digest: amd64.manifest.digest, tree: sampleTree('amd64') })
})

const configOf = (more: object) => image(layers, { config: more }).config.bytes
const withConfig = (bytes: Buffer) => save([listed({ Config: 'c.json' })], { 'c.json': bytes })

test.each<[string, () => Buffer, RegExp]>([
  ['no manifest.json', () => save(undefined, { 'manifest.json': undefined }), /there is no manifest.json, so it is no/],
  ['a manifest.json of null', () => save(null), /it lists none/],
  ['an empty manifest.json', () => save([]), /it lists none/],
  ['a manifest.json that is no JSON', () => save(undefined, { 'manifest.json': Buffer.from('[') }), /is no JSON/],
  ['a manifest.json of 5 MiB', () => save(undefined, { 'manifest.json': Buffer.alloc(5 * 1024 ** 2, ' ') }), /4 MiB/],
  ['a manifest.json that is an object', () => save({}), /malformed/],
  ['two of manifest.json', () => Buffer.concat([file('manifest.json', '[]'), save()]), /is there twice/],
  [
    'a config out of it',
    () => save([listed({ Config: '../../etc/passwd' })]),
    /names ".*passwd", which leaves the root/,
  ],
  ['an absolute config', () => save([listed({ Config: '/etc/passwd' })]), /"\/etc\/passwd", which is absolute/],
  ['an absolute layer', () => save([listed({ Layers: ['/etc/passwd', 'x'] })]), /"\/etc\/passwd", which is absolute/],
  ['a config that is a folder', () => save([listed({ Config: id(1) })]), /Cannot find|is a folder/],
  [
    'a missing config',
    () => save(undefined, { [config]: undefined }),
    /Cannot find ".*json" in docker-archive:.*incomplete/,
  ],
  ['a missing layer', () => save([listed({ Layers: ['x', 'y'] })]), /Cannot find "x" in docker-archive:/],
  [
    'an ID that is not its config’s (CVE-2014-9358)',
    () => save(undefined, { [config]: configOf({ os: 'x' }) }),
    /digest sha256:/,
  ],
  ['a layer too few', () => save([listed({ Layers: [`${id(1)}/layer.tar`] })]), /has 1 layers, its config lists 2/],
  ['a layer too many', () => save([listed({ Layers: [1, 2, 2].map((n) => `${id(n)}/layer.tar`) })]), /has 3 layers/],
  ['no layers', () => save([listed({ Layers: null })]), /has 0 layers, its config lists 2/],
  ['layers that are no list', () => save([listed({ Layers: 'x' })]), /malformed, "0.Layers"/],
  ['a config without a platform', () => withConfig(configOf({ os: undefined })), /malformed, "os"/],
  ['a config of another type', () => withConfig(configOf({ rootfs: { type: 'x', diff_ids: [] } })), /"rootfs.type"/],
  ['a config that is no JSON', () => withConfig(Buffer.from('{')), /is no JSON/],
  [
    'an image of nothing',
    () => save([listed({ Config: 'c.json', Layers: [] })], { 'c.json': image([]).config.bytes }),
    /is empty/,
  ],
  ['a layer of other bytes', () => save(undefined, { [`${id(1)}/layer.tar`]: tar(file('x')) }), /DIGEST|what came has/],
  [
    'a compressed layer of other bytes',
    () => save(undefined, { [`${id(1)}/layer.tar`]: gzipSync(tar(file('x'))) }),
    /unpacked it has the digest .*, its config says/,
  ],
  ['layers in another order', () => save([listed({ Layers: [2, 1].map((n) => `${id(n)}/layer.tar`) })]), /Cannot use/],
])('%s is refused in one line', async (_, make, says) => {
  writeFileSync(path, make())
  expect(await failure(pull())).toMatch(says)
})

testWith('skopeo')('what skopeo writes is read, plain and compressed, with one pin', async () => {
  const layout = join(folder, 'layout')
  writeLayoutOf(layout, { one: amd64.manifest }, blobsOf(amd64))
  await skopeo(folder, 'copy', `oci:${layout}:one`, `docker-archive:${path}:postgres:17`)
  const plain = await pull(':postgres:17')
  expect(plain.tree).toEqual(sampleTree('amd64'))
  writeFileSync(path, gzipSync(readFileSync(path)))
  expect(await pull(':17')).toEqual(plain)
})

testWith('crane')('what crane writes is read: its layers are compressed', async () => {
  const layout = join(folder, 'layout')
  writeLayoutOf(layout, { one: amd64.manifest }, blobsOf(amd64))
  mkdirSync(join(folder, 'home'))
  const env = { PATH: process.env['PATH'], HOME: join(folder, 'home') }
  const registry = await startRegistry({}, [])
  try {
    await command('crane', ['push', layout, `${registry.host}/acme/pg:17`], { env })
    await command('crane', ['pull', `${registry.host}/acme/pg:17`, path], { env })
    expect((await pull(`:${registry.host}/acme/pg:17`)).tree).toEqual(sampleTree('amd64'))
    await command('crane', ['pull', '--format=legacy', `${registry.host}/acme/pg:17`, path], { env })
    expect((await pull(':17')).tree).toEqual(sampleTree('amd64'))
  } finally {
    await registry.close()
  }
})

const theirs = (name: string) => `docker-archive:${join(goModule('crane'), 'pkg/v1/tarball/testdata', name)}`

for (const [name, tag, platform = 'linux/amd64'] of [
  ['test_image_1.tar', ':test_image_1'],
  ['test_image_2.tar', ''],
  ['test_load_manifest.tar', ':bazel/v1/tarball:test_image_1'],
  ['test_bundle.tar', ':test_image_1'],
  ['test_bundle.tar', ':test_image_2'],
  ['test_link.tar', ':test_image_1'],
  ['hello-world-v25.tar', '', 'linux/arm64'],
] as const)
  testWith('go')(`go-containerregistry’s ${name}${tag} has the tree of its layers`, async () => {
    const found = await pulled(theirs(name) + tag, {}, platform)
    expect(found.tree.length).toBeGreaterThan(0)
    expect(found).toEqual(await pulled(`${theirs(name)}@${found.digest}`, {}, platform))
  })

for (const [name, says] of [
  ['null_manifest.tar', /it lists none/],
  ['no_manifest.tar', /there is no manifest.json/],
  ['test_bundle.tar', /2 fit, and its tags are test_image_2, test_image_1/],
  ['content.tar', /there is no manifest.json/],
] as const)
  testWith('go')(`go-containerregistry’s ${name} is refused`, async () => {
    expect(await failure(pulled(theirs(name)))).toMatch(says)
  })
