import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect } from 'vitest'
import { parseReference } from '../../src/model/reference.ts'
import { openSource } from '../../src/oci/open.ts'
import { command } from '../support/command.ts'
import { type RegistryOptions, startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { writeLayoutOf } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { pulled } from '../support/pulled.ts'
import { amd64, both, sampleBlobs, sampleTree } from '../support/sample.ts'

// The registry of our own tests must be one, or they prove nothing: others' clients push to it and pull from it.
const folder = temporaryFolder()
const layout = join(folder, 'layout')
writeLayoutOf(layout, { both }, sampleBlobs)
const home = join(folder, 'home')
mkdirSync(home)
const env = { PATH: process.env['PATH'], HOME: home, DOCKER_CONFIG: home, XDG_RUNTIME_DIR: home }
const run = (program: string, ...words: readonly string[]) => command(program, words, { env })
const credentials = { name: 'robot$x', password: 'pa:ss wörd' }
const accounts = { [credentials.name]: credentials.password }

let registry: TestRegistry | undefined
afterEach(() => registry?.close())

async function start(options: RegistryOptions = {}): Promise<TestRegistry> {
  registry = await startRegistry({}, [], options)
  return registry
}

const kinds: [string, RegistryOptions][] = [
  ['anonymous', {}],
  ['with Basic', { login: { kind: 'basic', accounts } }],
  ['with Bearer', { login: { kind: 'bearer', accounts } }],
  ['with blobs elsewhere', { redirect: true }],
]

for (const [kind, options] of kinds) {
  testWith('skopeo')(`skopeo pushes to our registry ${kind}, and pulls the same`, async () => {
    const { host, records } = await start(options)
    const login = options.login ? [`--creds=${credentials.name}:${credentials.password}`] : []
    const copy = (where: string, from: string, to: string) =>
      run(
        'skopeo',
        'copy',
        '--all',
        `--${where}-tls-verify=false`,
        ...login.map((word) => word.replace('--', `--${where}-`)),
        from,
        to,
      )
    await copy('dest', `oci:${layout}:both`, `docker://${host}/some/where:1`)
    await copy('src', `docker://${host}/some/where:1`, `oci:${join(folder, `copy-${kind}`)}:1`)
    const found = await pulled(`oci:${join(folder, `copy-${kind}`)}:1`, {}, 'linux/arm64')
    expect(found).toMatchObject({ digest: both.digest, tree: sampleTree('arm64') })
    if (options.redirect) expect(records.some(({ server }) => server === 'storage')).toBe(true)
    if (options.login)
      await expect(run('skopeo', 'inspect', '--tls-verify=false', `docker://${host}/some/where:1`)).rejects.toThrow(
        /unauthorized|authentication required/i,
      )
  })
}

testWith('crane')('crane pushes, mounts, lists page by page and pulls', async () => {
  const { host, requests } = await start({ pageSize: 2 })
  await run('crane', 'push', '--index', layout, `${host}/one/image:a`)
  for (const tag of ['b', 'c', 'd', 'e']) await run('crane', 'tag', `${host}/one/image:a`, tag)
  expect((await run('crane', 'ls', `${host}/one/image`)).trim().split('\n')).toEqual(['a', 'b', 'c', 'd', 'e'])
  await run('crane', 'copy', `${host}/one/image:a`, `${host}/two/image:a`)
  expect(requests.filter((line) => /^POST .*[?&]mount=/.test(line)).length).toBeGreaterThan(0)
  expect((await run('crane', 'digest', '--platform=linux/amd64', `${host}/two/image:a`)).trim()).not.toBe('')
  await run('crane', 'pull', '--format=oci', `${host}/two/image:a`, join(folder, 'crane'))
})

testWith('regctl')('regctl uploads in pieces, and copies an image', async () => {
  const { host, requests } = await start()
  await run(
    'regctl',
    'registry',
    'set',
    '--skip-check',
    '--tls=disabled',
    '--blob-chunk=20000',
    '--blob-max=10000',
    host,
  )
  await run('regctl', 'image', 'copy', `ocidir://${layout}:both`, `${host}/some/where:1`)
  expect(requests.filter((line) => line.startsWith('PATCH ')).length).toBeGreaterThan(3)
  await run('regctl', 'image', 'copy', `${host}/some/where:1`, `ocidir://${join(folder, 'regctl')}:1`)
  expect((await pulled(`oci:${join(folder, 'regctl')}:1`)).digest).toBe(both.digest)
})

for (const referrers of [true, false])
  testWith('oras')(
    `oras attaches to an image and finds it ${referrers ? 'by the API, page by page' : 'by tag'}`,
    async () => {
      const { host, requests } = await start({ referrers, pageSize: 1 })
      await run(
        'oras',
        'copy',
        '--from-oci-layout',
        '--to-plain-http',
        '--recursive',
        `${layout}:both`,
        `${host}/some/where:1`,
      )
      const subject = `${host}/some/where@${amd64.manifest.digest}`
      for (const kind of ['one', 'two', 'two'])
        await run(
          'oras',
          'attach',
          '--plain-http',
          '--artifact-type',
          `application/x-${kind}`,
          '--annotation',
          `number=${requests.length}`,
          subject,
        )
      const found = JSON.parse(
        await run('oras', 'discover', '--plain-http', '--format=json', '--artifact-type=application/x-two', subject),
      )
      expect(found.referrers).toHaveLength(2)
      expect(requests.some((line) => line.includes('/manifests/sha256-'))).toBe(!referrers)
    },
  )

for (const referrers of [true, false])
  testWith('cosign', 'skopeo')(
    `what cosign says of an image is found, ${referrers ? 'by the API' : 'by tag'}, as a bundle and as a .sig tag`,
    async () => {
      const { host } = await start({ referrers })
      const name = `${host}/some/where`
      await run('skopeo', 'copy', '--dest-tls-verify=false', `oci:${layout}:both`, `docker://${name}:1`)
      const keys = { env: { ...env, COSIGN_PASSWORD: '' }, cwd: home }
      const cosign = (...words: readonly string[]) => command('cosign', words, keys)
      await cosign('generate-key-pair', `--output-key-prefix=${referrers}`)
      const digest = amd64.manifest.digest
      const sign = ['sign', '--yes', `--key=${referrers}.key`, '--tlog-upload=false', '--use-signing-config=false']
      await cosign(...sign, '--allow-http-registry', `${name}@${digest}`)
      await cosign(...sign, '--allow-http-registry', '--new-bundle-format=false', `${name}@${digest}`)
      const source = openSource(parseReference(`${name}@${digest}`), {
        settings: { [host]: { insecure: true } },
        env: {},
      })
      const found = (await source.referrers(digest)).map(({ artifactType }) => artifactType)
      expect(found.sort()).toEqual(['application/vnd.dev.sigstore.bundle.v0.3+json', undefined])
    },
  )
