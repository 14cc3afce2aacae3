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
import { startTokenServer } from '../support/token-server.ts'

const folder = temporaryFolder()
const data = join(folder, 'data')
const tools = ['docker-registry', 'skopeo', 'buildah', 'regctl', 'openssl'] as const
const closing: { close(): Promise<void> }[] = []

// As Harbor names robots; with what must be quoted somewhere.
const account = { username: 'robot$x', password: 'pa:ss wörd' }
const basic = `Basic ${Buffer.from(`${account.username}:${account.password}`).toString('base64')}`
/** bcrypt of that password, the only kind that distribution takes. */
const htpasswd = 'robot$x:$2b$05$abcdefghijklmnopqrstuuHYAqSTZaD2G3ZsfHYCUGgOo5vA33Sre\n'

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

let pushed: TestRegistry['repositories'] | undefined

/** Ours, with the images that others' clients pushed to it. */
async function inside(options: RegistryOptions = {}): Promise<TestRegistry> {
  if (pushed === undefined) {
    const first = await startRegistry({}, [])
    await pushImages(mkdtempSync(join(folder, 'inside-')), first.host)
    await first.close()
    pushed = first.repositories
  }
  const started = await startRegistry({}, [], { repositories: pushed, ...options })
  closing.push(started)
  return started
}

const kinds: Record<string, (program: 'docker-registry' | 'registry') => Promise<Serving>> = {
  'without a login': async (program) => ({ ...(await distribution({ program })), setting: { insecure: true } }),
  'with TLS of an own authority': async (program) => {
    const { host, caFile = '' } = await distribution({ program, tls: true })
    return { host, setting: { caFile } }
  },
  'with TLS that asks for a certificate': async (program) => {
    const clientAuthority = makeCertificate(mkdtempSync(join(folder, 'client-')))
    const { host, caFile = '' } = await distribution({ program, tls: true, clientAuthority })
    return { host, setting: { caFile, certFile: clientAuthority.certificate, keyFile: clientAuthority.key } }
  },
  'with htpasswd and storage elsewhere': async (program) => {
    const { origin, others } = await storage()
    const { host } = await distribution({ program, htpasswd, storageUrl: origin })
    return { host, setting: { insecure: true, ...account }, others }
  },
  'with a token server': async (program) => {
    const certificate = makeCertificate(mkdtempSync(join(folder, 'tokens-')))
    const names = { issuer: 'test-issuer', service: 'test-service' }
    const tokens = await startTokenServer(names, certificate, basic)
    closing.push(tokens)
    const token = { ...names, realm: tokens.realm, rootcertbundle: certificate.certificate }
    const { host } = await distribution({ program, token })
    return { host, setting: { insecure: true, ...account } }
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

const login = { accounts: { [account.username]: account.password }, identityTokens: { 'refresh me': account.username } }
const insides: [string, RegistryOptions, RegistrySetting][] = [
  ['without a login', {}, {}],
  ['with Basic', { login: { kind: 'basic', ...login } }, account],
  ['with Bearer', { login: { kind: 'bearer', ...login } }, account],
  ['with Bearer for an identity token', { login: { kind: 'bearer', ...login } }, { identityToken: 'refresh me' }],
  ['with Bearer for anybody', { login: { kind: 'bearer', public: true, ...login } }, {}],
]

for (const [kind, options, setting] of insides)
  testWith(...tools)(`our own registry ${kind}, by HTTP/2 and with storage elsewhere, gives every image`, async () => {
    const { certificate, key, authority } = makeCertificate(mkdtempSync(join(folder, 'tls-')))
    const tls = { cert: readFileSync(certificate), key: readFileSync(key) }
    const { host, records } = await inside({ tls, redirect: true, ...options })
    await expectAll({ host, setting: { caFile: authority, ...setting } })
    expect(new Set(records.map(({ httpVersion }) => httpVersion))).toEqual(new Set(['2.0']))
    const sent = (server: Recorded['server']) =>
      new Set(records.filter((one) => one.server === server).map(({ headers }) => headers.authorization?.split(' ')[0]))
    expect(sent('storage')).toEqual(new Set([undefined]))
    if (options.login?.kind === 'bearer') {
      expect(sent('registry')).toEqual(new Set([undefined, 'Bearer']))
      expect(sent('tokens')).toEqual(new Set([setting.username ? 'Basic' : undefined]))
    }
  })

testWith(...tools)(
  'a mirror gives every image by digest, and never sees the login of the registry it mirrors',
  async () => {
    const { host } = await distribution({ htpasswd })
    const mirror = await inside()
    const settings = {
      [host]: { insecure: true, ...account, mirrors: [mirror.host] },
      [mirror.host]: { insecure: true },
    }
    for (const { name, mark } of serverImages) {
      const found = await pulled(`${host}/team/${name}:1`, { settings, env: {} })
      expect({ name, tree: found.tree }).toEqual({ name, tree: sampleTree(mark) })
      expect(mirror.requests).toContain(`GET /v2/team/${name}/manifests/${found.digest}`)
    }
    expect(mirror.records.filter(({ headers }) => headers.authorization !== undefined)).toEqual([])
  },
)

testWith(...tools)('a wrong password is refused with the reason', async () => {
  const { host } = await distribution({ htpasswd })
  for (const setting of [{ insecure: true }, { insecure: true, username: account.username, password: 'mistaken' }]) {
    const failed = pulled(`${host}/team/gzip:1`, { settings: { [host]: setting }, env: {} })
    await expect(failed).rejects.toThrow(/^Cannot (?!.*mistaken).*401/)
  }
})
