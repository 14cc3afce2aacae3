import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { writeBundle } from '../../src/engine/bundle.ts'
import { bundleIndex } from '../../src/engine/bundle-index.ts'
import type { Closure } from '../../src/engine/closure.ts'
import { collect } from '../../src/engine/collect.ts'
import { hexOf } from '../../src/model/digest.ts'
import { ProviderError } from '../../src/model/error.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import { temporaryFolder } from '../support/folder.ts'
import { type Blob, blob, blobsOf, descriptor, image, index } from '../support/layout.ts'
import { artifact } from '../support/push.ts'
import { startRegistry, type TestRegistry } from '../support/registry/registry.ts'
import { file, tar } from '../support/tar.ts'

const folder = temporaryFolder()
const closing: TestRegistry[] = []
afterAll(async () => {
  for (const one of closing) await one.close()
})

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const [amd64, arm64] = ['amd64', 'arm64'].map((architecture) =>
  image([tar(file('lib/a.so', architecture))], { architecture }),
) as [ReturnType<typeof image>, ReturnType<typeof image>]
const empty = blob('application/vnd.oci.empty.v1+json', Buffer.from('{}'))
const text = (content: string) => blob('text/plain', Buffer.from(content))
const about = (content: Blob, subject: Blob) =>
  blob(
    manifestType,
    artifact(content, empty, { mediaType: manifestType, artifactType: 'a/b', subject: descriptor(subject) }),
  )
/** As BuildKit puts it beside an image. */
const attestation = (of: Blob, name: string) => {
  const made = image([Buffer.from(`{"of": "${name}"}`)], { architecture: 'unknown' })
  const annotations = { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': of.digest }
  return {
    made,
    entry: { ...descriptor(made.manifest), annotations, platform: { os: 'unknown', architecture: 'unknown' } },
  }
}

async function registryOf(root: Blob, blobs: readonly Blob[]): Promise<TestRegistry> {
  const registry = await startRegistry({ one: root }, blobs)
  closing.push(registry)
  return registry
}

async function collected(registry: TestRegistry, root: Blob, platforms?: readonly string[]) {
  const reference = parseReference(`${registry.host}/team/image:one`)
  const source = openSource(reference, { settings: { [registry.host]: { insecure: true } }, env: {} })
  const closure: Closure = { pieces: new Map(), listed: [] }
  const log: string[] = []
  const options = { cache: openCache(mkdtempSync(join(folder, 'cache-'))), log: (line: string) => void log.push(line) }
  await collect(closure, { source, reference, digest: root.digest, platforms }, options)
  return { closure, log, options }
}
const digestsOf = (blobs: readonly Blob[]) => new Set(blobs.map(({ digest }) => digest))

test("of an index of indexes, a platform's image comes with its own attestation, and with every index", async () => {
  const ofAmd64 = attestation(amd64.manifest, 'amd64')
  const ofArm64 = attestation(arm64.manifest, 'arm64')
  const inner = index({ amd64, arm64 }, [ofAmd64.entry, ofArm64.entry])
  const root = index({}, [descriptor(inner)])
  const all = [root, inner, ...[amd64, arm64, ofAmd64.made, ofArm64.made].flatMap(blobsOf)]
  const registry = await registryOf(root, all)
  const one = await collected(registry, root, ['linux/arm64'])
  expect(new Set(one.closure.pieces.keys())).toEqual(
    digestsOf([root, inner, ...blobsOf(arm64), ...blobsOf(ofArm64.made)]),
  )
  expect(new Set((await collected(registry, root)).closure.pieces.keys())).toEqual(digestsOf(all))
})

test('what refers to a manifest is found by the API, and what refers to that; what lies is left out', async () => {
  const sbom = about(text('sbom'), amd64.manifest)
  const signed = about(text('signature'), sbom)
  const broken = blob(manifestType, {
    ...JSON.parse(about(text('x'), amd64.manifest).bytes.toString()),
    layers: [{ digest: 'md5:1' }],
  })
  const kept = [...blobsOf(amd64), sbom, text('sbom'), signed, text('signature'), empty]
  const registry = await registryOf(amd64.manifest, [...kept, broken])
  const { closure, log } = await collected(registry, amd64.manifest)
  expect(new Set(closure.pieces.keys())).toEqual(digestsOf(kept))
  expect(closure.listed.map(({ name, artifactType, digest }) => ({ name, artifactType, digest }))).toEqual(
    expect.arrayContaining([
      { name: `${registry.host}/team/image:one`, digest: amd64.manifest.digest },
      { artifactType: 'a/b', digest: sbom.digest },
      { artifactType: 'a/b', digest: signed.digest },
    ]),
  )
  expect(log).toEqual([expect.stringContaining(`${broken.digest} is no manifest that we can read`)])
})

test('a referrer whose media type is no text is left out, and does not end the bundle with a stack trace', async () => {
  const odd = blob(manifestType, { ...JSON.parse(about(text('x'), amd64.manifest).bytes.toString()), mediaType: 5 })
  const registry = await registryOf(amd64.manifest, [...blobsOf(amd64), odd])
  const { closure, log } = await collected(registry, amd64.manifest)
  expect(new Set(closure.pieces.keys())).toEqual(digestsOf(blobsOf(amd64)))
  expect(log).toEqual([expect.stringContaining(`${odd.digest} is no manifest that we can read`)])
})

test('a platform that an index lacks is an error, as for pulumi up', async () => {
  const root = index({ amd64 })
  const registry = await registryOf(root, blobsOf(amd64))
  await expect(collected(registry, root, ['linux/arm64'])).rejects.toThrow(
    /^Cannot use .* on a linux\/arm64 host: it is for linux\/amd64; choose an image built for linux\/arm64$/,
  )
})

test('a blob that is not what it should be leaves no file behind, and the former bundle as it was', async () => {
  const registry = await registryOf(amd64.manifest, blobsOf(amd64))
  const { closure, options } = await collected(registry, amd64.manifest)
  const path = join(mkdtempSync(join(folder, 'out-')), 'bundle.tar')
  await writeBundle(path, closure, options)
  const former = readFileSync(path)
  const liar = await registryOf(arm64.manifest, blobsOf(arm64))
  const [layer] = arm64.layers as [Blob]
  const second = await collected(liar, arm64.manifest)
  liar.repositories.get('team/image')?.content.set(layer.digest, { ...layer, bytes: Buffer.alloc(layer.size) })
  await expect(writeBundle(path, second.closure, second.options)).rejects.toThrow(`Cannot use ${layer.digest} from`)
  expect(readFileSync(path).equals(former)).toBe(true)
  expect(readdirSync(join(path, '..'))).toEqual(['bundle.tar'])
})

test('what rots in the cache while a bundle is made does not get into it', async () => {
  const registry = await registryOf(amd64.manifest, blobsOf(amd64))
  const { closure, options } = await collected(registry, amd64.manifest)
  const [layer] = amd64.layers as [Blob]
  const source = closure.pieces.get(layer.digest)?.source
  const path = join(folder, 'rotten.tar')
  // Proven by the cache, and changed before it is read, as a disk would.
  const open: typeof options.cache.open = async (from, one, by) => {
    const there = await options.cache.blob(from, one, by)
    if (one.digest === layer.digest) writeFileSync(there, Buffer.alloc(layer.size, 1))
    const { open: openFile } = await import('node:fs/promises')
    return openFile(there)
  }
  const rotting = { ...options, cache: { ...options.cache, open } }
  await expect(writeBundle(path, closure, rotting)).rejects.toThrow(`Cannot use ${layer.digest} from ${source?.name}`)
  expect(readdirSync(folder).filter((name) => name.includes('rotten'))).toEqual([])
})

test('who stops it gets the reason, and no file', async () => {
  const registry = await registryOf(amd64.manifest, blobsOf(amd64))
  const { closure, options } = await collected(registry, amd64.manifest)
  const signal = AbortSignal.abort(new ProviderError('ABORTED', 'Stopped'))
  await expect(writeBundle(join(folder, 'stopped.tar'), closure, { ...options, signal })).rejects.toThrow('Stopped')
  expect(readdirSync(folder).filter((name) => name.includes('stopped'))).toEqual([])
})

test('the bundle is a tar as tar(1) reads it', async () => {
  const registry = await registryOf(amd64.manifest, blobsOf(amd64))
  const { closure, options } = await collected(registry, amd64.manifest)
  await writeBundle(join(folder, 'plain.tar'), closure, options)
  const names = execFileSync('tar', ['tf', join(folder, 'plain.tar')], { encoding: 'utf8' })
    .trim()
    .split('\n')
  const blobs = blobsOf(amd64).map(({ digest }) => `blobs/sha256/${hexOf(digest)}`)
  expect(names).toEqual(['oci-layout', 'index.json', 'blobs/', 'blobs/sha256/', ...blobs.sort()])
})

test('a name that means two images means none, and the order of images does not matter', () => {
  const log: string[] = []
  const entry = (one: Blob, name: string) => ({ ...descriptor(one), name })
  const listed = [entry(amd64.manifest, 'x:1'), entry(arm64.manifest, 'x:1'), entry(amd64.manifest, 'y:1')]
  const made = bundleIndex(listed, (line) => void log.push(line)) as { manifests: { annotations?: object }[] }
  expect(made.manifests.filter(({ annotations }) => annotations)).toEqual([
    { ...descriptor(amd64.manifest), annotations: { 'org.opencontainers.image.ref.name': 'y:1' } },
  ])
  expect(log).toEqual([expect.stringMatching(/^x:1 means two images/)])
  expect(bundleIndex(listed.toReversed(), () => {})).toEqual(made)
})
