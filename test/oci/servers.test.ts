import { createReadStream, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import type { RegistrySetting } from '../../src/oci/settings.ts'
import { makeCertificate } from '../support/certificate.ts'
import { type DistributionOptions, startDockerRegistry } from '../support/docker-registry.ts'
import { type RegistryOptions, startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { lacks, testWith } from '../support/needs.ts'
import { pulled } from '../support/pulled.ts'
import { listen, type Recorded } from '../support/registry/listen.ts'
import { sampleTree } from '../support/sample.ts'
import { pushImages, serverImages } from '../support/server-images.ts'
import { startServer } from '../support/start-server.ts'

const folder = temporaryFolder()
const data = join(folder, 'data')
const tools = ['docker-registry', 'skopeo', 'buildah', 'regctl', 'openssl'] as const
const closing: { close(): Promise<void> }[] = []

interface Serving {
  readonly host: string
  readonly setting: RegistrySetting
  /** What other servers than the registry were sent: credentials must not be in it. */
  readonly others?: readonly Recorded[]
}

/** Of servers that this process does not start itself, so nothing of theirs is ours. */
let seed: string

beforeAll(async () => {
  if (tools.some(lacks)) return
  seed = (await distribution({ data })).host
  await pushImages(folder, seed)
})
afterAll(async () => {
  for (const one of closing.reverse()) await one.close()
})

async function distribution(options: DistributionOptions) {
  const started = await startDockerRegistry(mkdtempSync(join(folder, 'registry-')), { data, ...options })
  closing.push(started)
  return started
}

/** Where a registry's storage is served from when it redirects: the files as they lie there. */
async function storage() {
  const others: Recorded[] = []
  const { origin, close } = await listen(
    ({ url = '' }, answer) =>
      void createReadStream(join(data, url))
        .on('error', () => answer.writeHead(404).end())
        .pipe(answer),
    {
      record: ({ method = '', url = '', headers, httpVersion }) =>
        void others.push({ server: 'storage', method, url, headers, httpVersion }),
    },
  )
  closing.push({ close })
  return { origin, others }
}

/** Ours, with the images that others' clients pushed to it. */
async function inside(options: RegistryOptions = {}): Promise<TestRegistry> {
  const first = await startRegistry({}, [])
  await pushImages(mkdtempSync(join(folder, 'inside-')), first.host)
  await first.close()
  const started = await startRegistry({}, [], { repositories: first.repositories, ...options })
  closing.push(started)
  return started
}

const kinds: Record<string, (program: 'docker-registry' | 'registry') => Promise<Serving>> = {
  'without a login': async (program) => ({ ...(await distribution({ program })), setting: { insecure: true } }),
  'with TLS of an own authority': async (program) => {
    const { host, caFile = '' } = await distribution({ program, tls: true })
    return { host, setting: { caFile } }
  },
  'with storage elsewhere': async (program) => {
    const { origin, others } = await storage()
    return { ...(await distribution({ program, storageUrl: origin })), setting: { insecure: true }, others }
  },
  'as a pull-through mirror': async (program) => {
    const own = mkdtempSync(join(folder, 'mirror-'))
    return { ...(await distribution({ program, data: own, upstream: `http://${seed}` })), setting: { insecure: true } }
  },
}

/** Reads each image as a user would. */
async function expectAll({ host, setting, others = [] }: Serving): Promise<void> {
  for (const { name, mark, mediaType } of serverImages) {
    const found = await pulled(`${host}/team/${name}:1`, { settings: { [host]: setting }, env: {} })
    expect({ name, ...found }).toMatchObject({ name, tree: sampleTree(mark), mediaTypes: [mediaType, mediaType] })
  }
  for (const { headers } of others) expect(headers.authorization).toBeUndefined()
}

for (const [name, program] of [
  ["Debian's docker-registry 2.8", 'docker-registry'],
  ['distribution 3', 'registry'],
] as const)
  for (const [kind, start] of Object.entries(kinds))
    testWith(...tools, program)(`${name} ${kind} gives every image`, async () => expectAll(await start(program)))

testWith(...tools, 'crane')('crane registry serve gives every image', async () => {
  const { found, close } = await startServer(
    'crane',
    ['registry', 'serve', '--address=127.0.0.1:0'],
    /serving on port (\d+)/,
  )
  closing.push({ close })
  const host = `127.0.0.1:${found}`
  await pushImages(mkdtempSync(join(folder, 'crane-')), host)
  await expectAll({ host, setting: { insecure: true } })
})

testWith(...tools)('our own registry gives every image, by HTTP/2 and with storage elsewhere', async () => {
  const { certificate, key, authority } = makeCertificate(mkdtempSync(join(folder, 'tls-')))
  const tls = { cert: readFileSync(certificate), key: readFileSync(key) }
  const { host, records } = await inside({ tls, redirect: true })
  const others = records.filter(({ server }) => server !== 'registry')
  await expectAll({ host, setting: { caFile: authority }, others })
  expect(new Set(records.map(({ httpVersion }) => httpVersion))).toEqual(new Set(['2.0']))
})
