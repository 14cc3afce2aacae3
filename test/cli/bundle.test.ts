import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { bundleSchema } from '../../src/cli/bundle.ts'
import { type Digest, hexOf } from '../../src/model/digest.ts'
import { pgoci } from '../support/cli.ts'
import { type RealRegistry, skopeo, startDockerRegistry } from '../support/docker-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { type Blob, blob, blobsOf, descriptor, image, index } from '../support/layout.ts'
import { lacks } from '../support/needs.ts'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { artifact, pushBlobs, pushManifest } from '../support/push.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'
import { file, tar } from '../support/tar.ts'

const folder = temporaryFolder()
const at = (path: string) => join(folder, path)
const here = process.arch === 'arm64' ? 'arm64' : 'amd64'
const other = process.arch === 'arm64' ? 'amd64' : 'arm64'
const program = readFileSync('examples/quickstart/index.ts', 'utf8')
let registry: RealRegistry
let sshd: TestSshd
let stack: TestStack
let offline: TestStack
let env: NodeJS.ProcessEnv
let digests: Map<string, string>

const sbomConfig = blob('application/vnd.oci.empty.v1+json', Buffer.from('{}'))
const imageFor = (architecture: string) => image([gzipSync(tar(file('lib/a.so', architecture)))], { architecture })
const images = { [here]: imageFor(here), [other]: imageFor(other) }
const multi = index(images)
const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const text = (content: string) => blob('text/plain', Buffer.from(content))
const signature = text('signature of the index')
const sbom = text('sbom of one manifest')
const stray = text('about something else')
const about = (content: Blob, subject: Blob) =>
  blob(
    manifestType,
    artifact(content, sbomConfig, {
      mediaType: manifestType,
      artifactType: 'application/x-sbom',
      subject: descriptor(subject),
    }),
  )
const signed = blob(manifestType, artifact(signature, sbomConfig, {}))
const sbomManifest = about(sbom, images[here]?.manifest as Blob)
const strayManifest = about(stray, signed)
const signedSbom = blob(manifestType, artifact(text('signature of the sbom'), sbomConfig, {}))
const tagOf = (one: { digest: Digest }) => `sha256-${hexOf(one.digest)}`

/** An image of two platforms whose index is signed, and one of whose manifests has an SBOM that is signed as well. */
async function pushMulti(): Promise<void> {
  const repository = `${registry.host}/acme/multi`
  await pushBlobs(repository, [
    ...Object.values(images).flatMap(blobsOf),
    sbomConfig,
    signature,
    sbom,
    stray,
    text('signature of the sbom'),
  ])
  for (const one of Object.values(images)) await pushManifest(repository, one.manifest)
  await pushManifest(repository, multi, '1')
  await pushManifest(repository, signed, `${tagOf(multi)}.sig`)
  for (const one of [sbomManifest, strayManifest]) await pushManifest(repository, one)
  // docker-registry 2.8 has no referrers API, so the list is behind a tag; this one names a stranger, too.
  const list = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json' }
  const entries = [sbomManifest, strayManifest].map((one) => ({
    ...descriptor(one),
    artifactType: 'application/x-sbom',
  }))
  await pushManifest(
    repository,
    blob(list.mediaType, { ...list, manifests: entries }),
    tagOf(images[here]?.manifest as Blob),
  )
  await pushManifest(repository, signedSbom, `${tagOf(sbomManifest)}.sig`)
}

const bundleOf = async (words: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) => {
  const result = await pgoci(['bundle', '--json', ...words], { ...options, env: { ...env, ...options.env } })
  expect(result.code, result.stderr).toBe(0)
  return { ...bundleSchema.parse(JSON.parse(result.stdout)), stderr: result.stderr }
}
const namesIn = (path: string): (string | undefined)[] =>
  JSON.parse(execFileSync('tar', ['xOf', path, 'index.json'], { encoding: 'utf8' })).manifests.map(
    (one: { annotations?: Record<string, string> }) => one.annotations?.['org.opencontainers.image.ref.name'],
  )
const blobsIn = (path: string) =>
  execFileSync('tar', ['tf', path], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => /blobs\/sha256\/(\w{64})$/.exec(line)?.[1] ?? [])

describe.skipIf(['docker-registry', 'skopeo', 'pulumi'].some(lacks))(
  'with a real registry (needs docker-registry, skopeo and pulumi)',
  () => {
    beforeAll(async () => {
      registry = await startDockerRegistry(at('registry'))
      digests = await writeLayout(at('images'), [
        { tag: 'pg18', files: distributionFiles() },
        { tag: 'hstore', files: extensionFiles('hstore') },
        { tag: 'cube', files: extensionFiles('cube') },
      ])
      for (const tag of ['pg18', 'hstore', 'cube'])
        await skopeo(
          folder,
          'copy',
          '--dest-tls-verify=false',
          '-q',
          `oci:${at('images')}:${tag}`,
          `docker://${registry.host}/acme/${tag}:1`,
        )
      await pushMulti()
      env = {
        PGOCI_CACHE: at('cache'),
        PGOCI_REGISTRIES: JSON.stringify({ [registry.host]: { insecure: true } }),
        PGOCI_BUNDLE: '',
      }
      sshd = await startSshd()
      stack = new TestStack(program)
      offline = new TestStack(program, { env: { PGOCI_BUNDLE: at('stack.tar') } })
      const config = (root: string) => ({
        ...{
          host: '127.0.0.1',
          port: String(sshd.port),
          user: 'test',
          password: { secret: 'test' },
          hostKey: sshd.hostKey,
        },
        ...{ root: at(root), distribution: `${registry.host}/acme/pg18:1` },
        extensions: JSON.stringify({ hstore: `${registry.host}/acme/hstore:1`, cube: `oci:${at('images')}:cube` }),
      })
      await stack.init({ ...config('store'), 'postgres-oci:registries': env['PGOCI_REGISTRIES'] as string })
      await offline.init(config('offline'))
    })

    afterAll(async () => {
      await registry?.close()
      await sshd?.close()
      stack?.remove()
      offline?.remove()
    })

    test('an index with all its platforms, its signature, and what refers to a manifest of it', async () => {
      const path = at('multi.tar')
      const reference = `${registry.host}/acme/multi:1`
      const { stderr, ...result } = await bundleOf([reference, '-o', path])
      expect(result).toMatchObject({
        images: [{ name: reference, digest: multi.digest }],
        isUnchanged: false,
        about: 3,
      })
      expect(result.bytes).toBe(statSync(path).size)
      const expected = [
        multi,
        ...Object.values(images).flatMap(blobsOf),
        signed,
        signature,
        sbomManifest,
        sbom,
        signedSbom,
        sbomConfig,
      ]
      expect(blobsIn(path)).toEqual(
        [...new Set([...expected, text('signature of the sbom')].map(({ digest }) => hexOf(digest)))].sort(),
      )
      const repository = `${registry.host}/acme/multi`
      expect(namesIn(path).sort()).toEqual(
        [reference, `${repository}:${tagOf(multi)}.sig`, `${repository}:${tagOf(sbomManifest)}.sig`, undefined].sort(),
      )
      expect(stderr, 'the stranger is left out').toMatch(/^Left out of the bundle, .* is about something else$/m)
    })

    test('the same images give the same bytes, and what is there is not written again', async () => {
      const { ino } = statSync(at('multi.tar'))
      expect(await bundleOf([`${registry.host}/acme/multi:1`, '-o', at('multi.tar')])).toMatchObject({
        isUnchanged: true,
      })
      expect(statSync(at('multi.tar')).ino).toBe(ino)
      await bundleOf([`${registry.host}/acme/multi:1`, '-o', at('again.tar')], { env: { PGOCI_CACHE: at('cache-2') } })
      expect(readFileSync(at('again.tar')).equals(readFileSync(at('multi.tar')))).toBe(true)
    })

    test('skopeo reads it: an image, all of an index, and a signature', async () => {
      const name = `oci-archive:${at('multi.tar')}:${registry.host}/acme/multi`
      await skopeo(folder, 'copy', '-q', '--all', '--preserve-digests', `${name}:1`, `oci:${at('copied')}:all`)
      await skopeo(folder, 'copy', '-q', '--preserve-digests', `${name}:${tagOf(multi)}.sig`, `oci:${at('copied')}:sig`)
      const copied = readdirSync(at('copied/blobs/sha256'))
      const wanted = [multi, ...Object.values(images).flatMap(blobsOf), signature]
      expect(copied).toEqual(expect.arrayContaining(wanted.map(({ digest }) => hexOf(digest))))
    })

    test('a bundle made from a bundle alone is the same, to the byte', async () => {
      const options = { env: { PGOCI_BUNDLE: at('multi.tar'), PGOCI_CACHE: at('cache-4') } }
      await bundleOf([`${registry.host}/acme/multi:1`, '-o', at('copy.tar')], options)
      expect(readFileSync(at('copy.tar')).equals(readFileSync(at('multi.tar')))).toBe(true)
    })

    test('of an index, only the platforms that were asked for', async () => {
      const path = at('one.tar')
      await bundleOf(['--platform', `linux/${other}`, `${registry.host}/acme/multi:1`, '-o', path])
      const kept = [multi, ...blobsOf(images[other] as ReturnType<typeof image>), signed, signature, sbomConfig]
      expect(blobsIn(path)).toEqual(kept.map(({ digest }) => hexOf(digest)).sort())
      const words = ['inspect', '--json', '--platform', `linux/${here}`, `${registry.host}/acme/multi:1`]
      const { code, stderr } = await pgoci(words, { env: { ...env, PGOCI_BUNDLE: path, PGOCI_CACHE: at('cache-3') } })
      expect(code).toBe(1)
      expect(stderr).toContain(
        `Cannot find ${registry.host}/acme/multi@${images[here]?.manifest.digest} in the bundle ${path}`,
      )
      expect(stderr).toContain(
        `it has ${registry.host}/acme/multi:1; bundle it again with this reference and this platform`,
      )
    })

    test('something else that is there is not overwritten, and nothing is left beside it', async () => {
      writeFileSync(at('notes.tar'), 'my notes')
      const { code, stderr } = await pgoci(['bundle', `${registry.host}/acme/multi:1`, '-o', at('notes.tar')], { env })
      expect(code).toBe(1)
      expect(stderr).toContain('something else is there, which is no bundle')
      expect(readFileSync(at('notes.tar'), 'utf8')).toBe('my notes')
      expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
    })

    test('a stack, by its name, and by what pulumi stack export printed', async () => {
      await stack.expect(0, 'up', '--yes', '--skip-preview')
      const found = await bundleOf(['test', '-o', at('stack.tar')], { cwd: stack.folder, env: stack.env })
      const platforms = [`linux/${here}`]
      expect(found.images).toEqual(
        expect.arrayContaining([
          { name: `${registry.host}/acme/pg18:1`, digest: digests.get('pg18'), platforms },
          { name: `${registry.host}/acme/hstore:1`, digest: digests.get('hstore'), platforms },
          { name: `oci:${at('images')}:cube`, digest: digests.get('cube'), platforms },
        ]),
      )
      const state = await stack.expect(0, 'stack', 'export')
      expect(state).toContain('ciphertext')
      writeFileSync(at('state.json'), state)
      const again = await bundleOf([at('state.json'), '-o', at('from-state.tar')])
      expect(again.images).toEqual(found.images)
      expect(readFileSync(at('from-state.tar')).equals(readFileSync(at('stack.tar')))).toBe(true)
    })

    test('without registry, cache and network, up installs the same from the bundle alone', async () => {
      await registry.close()
      copyFileSync(join(at('images'), 'index.json'), at('kept-index.json'))
      writeFileSync(join(at('images'), 'index.json'), '{"schemaVersion": 2, "manifests": []}')
      await offline.expect(0, 'up', '--yes', '--skip-preview')
      const state = await offline.expect(0, 'stack', 'export')
      for (const digest of digests.values()) expect(state).toContain(digest)
      expect(existsSync(at('offline/instances/pg18/current/root/bin/postgres'))).toBe(true)
      copyFileSync(at('kept-index.json'), join(at('images'), 'index.json'))
    })

    test("the stack's own setting comes first, and what a bundle lacks is named with what it has", async () => {
      await offline.set('postgres-oci:bundle', at('multi.tar'))
      await offline.set('extensions', JSON.stringify({ hstore: `${registry.host}/acme/hstore:2` }))
      const { code, output } = await offline.run('preview')
      expect(code).not.toBe(0)
      // Pulumi hides the password "test" in the path, too.
      expect(output).toContain(`Cannot find ${registry.host}/acme/hstore:2 in the bundle /`)
      expect(output).toContain(`it has ${registry.host}/acme/multi:1; bundle it again with this reference`)
    })

    test.each([
      ['no stack of that name', ['nowhere'], /^Cannot export the stack "nowhere": .*no stack named 'nowhere'/],
      [
        'a file that is no state',
        ['notes.json'],
        /^Cannot read "notes.json": it is not what pulumi stack export prints/,
      ],
      [
        'a state without our resources',
        ['empty.json'],
        /^Cannot use "empty.json": its state has no Distribution and no Extension/,
      ],
      [
        'a state whose image is secret',
        ['secret.json'],
        /^Cannot use "secret.json": "image" of one of its images is secret or missing/,
      ],
    ])('%s is an error that says so', async (_, words, says) => {
      const resource = { type: 'pulumi-nodejs:dynamic/postgres-oci:Extension', outputs: { image: { ciphertext: 'x' } } }
      writeFileSync(join(stack.folder, 'notes.json'), '[]')
      writeFileSync(join(stack.folder, 'empty.json'), '{"deployment": {}}')
      writeFileSync(join(stack.folder, 'secret.json'), JSON.stringify({ deployment: { resources: [resource] } }))
      const options = { cwd: stack.folder, env: { ...env, ...stack.env } }
      const { code, stderr } = await pgoci(['bundle', ...words, '-o', at('never.tar')], options)
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(says) })
      expect(existsSync(at('never.tar'))).toBe(false)
    })
  },
)

test('the schema of bundle is published', async () => {
  const schema = `${JSON.stringify(z.toJSONSchema(bundleSchema, { io: 'input' }), null, 2)}\n`
  await expect(schema).toMatchFileSnapshot('../../docs/schemas/bundle.json')
})

test('the package brings the command', () => {
  const { bin, version } = JSON.parse(readFileSync('package.json', 'utf8'))
  expect(execFileSync(resolve(bin.pgoci), ['--version'], { encoding: 'utf8' })).toBe(`${version}\n`)
})

test('words that are not understood are a usage error', async () => {
  for (const words of [
    ['bundle'],
    ['bundle', 'x:1'],
    ['bundle', 'x:1', '-o', 'x', '--platform', 'arm64'],
    ['boundle'],
    [],
  ])
    expect((await pgoci(words)).code, words.join(' ')).toBe(2)
  expect(await pgoci(['bundle', '--help'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('pgoci bundle prod -o prod.tar'),
  })
})
