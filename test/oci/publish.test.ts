import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { digestOf } from '../../src/model/digest.ts'
import { ProviderError } from '../../src/model/error.ts'
import { parseReference, type RegistryReference } from '../../src/model/reference.ts'
import { type Artifact, publishArtifact } from '../../src/oci/publish.ts'
import type { RegistrySetting } from '../../src/oci/settings.ts'
import { makeCertificate } from '../support/certificate.ts'
import { command } from '../support/command.ts'
import { type DistributionOptions, startDockerRegistry } from '../support/docker-registry.ts'
import { errors, type Fault, type RegistryOptions, startRegistry, status } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { lacksRoot, testWith } from '../support/needs.ts'
import { bodyOf } from '../support/registry/exchange.ts'
import { listen, type Recorded } from '../support/registry/listen.ts'
import { keep, repositoryOf } from '../support/registry/store.ts'
import { startTokenServer } from '../support/token-server.ts'

const folder = temporaryFolder()
const account = { username: 'robot$x', password: 'pa:ss wörd' }
const basic = `Basic ${Buffer.from(`${account.username}:${account.password}`).toString('base64')}`
const htpasswd = 'robot$x:$2b$05$abcdefghijklmnopqrstuuHYAqSTZaD2G3ZsfHYCUGgOo5vA33Sre\n'

const artifactType = 'application/vnd.test.v1+json'
// More than a socket holds, so that an early answer meets a stream that is under way.
const bytes = randomBytes(12_000_000)
let opened = 0
const artifact: Artifact = {
  artifactType,
  blob: {
    mediaType: 'application/octet-stream',
    digest: digestOf(bytes),
    size: bytes.length,
    open: () => {
      opened += 1
      return Readable.from(
        (function* () {
          for (let at = 0; at < bytes.length; at += 262_144) yield bytes.subarray(at, at + 262_144)
        })(),
        { objectMode: false },
      )
    },
  },
}

const closing: { close(): Promise<void> }[] = []
const perTest: { close(): Promise<void> }[] = []
afterEach(async () => {
  opened = 0
  for (const one of perTest.splice(0)) await one.close()
})
afterAll(async () => {
  for (const one of closing) await one.close()
})

function publish(host: string, setting: RegistrySetting = {}, one: Artifact = artifact) {
  const reference = parseReference(`${host}/near/cache:pack-1`) as RegistryReference & { tag: string }
  const environment = {
    settings: { [host]: { insecure: setting.caFile === undefined, ...setting } },
    env: { HOME: folder },
    systemRoot: folder,
    network: { wait: async () => {} },
  }
  return publishArtifact(reference, one, { environment })
}

async function inside(options: RegistryOptions = {}) {
  const registry = await startRegistry({}, [], options)
  perTest.push(registry)
  return registry
}

const refusal = async (run: Promise<unknown>): Promise<string> => {
  const error = await run.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ProviderError)
  return `${(error as ProviderError).code}: ${(error as ProviderError).message}`
}

async function distribution(options: DistributionOptions) {
  const started = await startDockerRegistry(mkdtempSync(join(folder, 'registry-')), options)
  closing.push(started)
  return started
}

/** Reads it back by another client, and compares all of it. */
async function expectThere(host: string, words: readonly string[] = ['--insecure'], env: NodeJS.ProcessEnv = {}) {
  const run = (...more: string[]) => command('crane', [...more, ...words], { env: { ...process.env, ...env } })
  const manifest = JSON.parse(await run('manifest', `${host}/near/cache:pack-1`))
  expect(manifest).toMatchObject({ artifactType, config: { size: 2 }, layers: [{ digest: digestOf(bytes) }] })
  const config = await run('blob', `${host}/near/cache@${manifest.config.digest}`)
  expect(config).toBe('{}')
}

const kinds: Record<string, (program: 'docker-registry' | 'registry') => Promise<[string, RegistrySetting]>> = {
  'without a login': async (program) => [(await distribution({ program })).host, {}],
  'with TLS and HTTP/2': async (program) => {
    const { host, caFile = '' } = await distribution({ program, tls: true })
    return [host, { caFile }]
  },
  'with htpasswd': async (program) => [(await distribution({ program, htpasswd })).host, account],
  'with a token server': async (program) => {
    const certificate = makeCertificate(mkdtempSync(join(folder, 'tokens-')))
    const names = { issuer: 'test-issuer', service: 'test-service' }
    const tokens = await startTokenServer(names, certificate, basic)
    closing.push(tokens)
    const token = { ...names, realm: tokens.realm, rootcertbundle: certificate.certificate }
    return [(await distribution({ program, token })).host, account]
  },
}

for (const [name, program] of [
  ["Debian's docker-registry 2.8", 'docker-registry'],
  ['distribution 3', 'registry'],
] as const)
  for (const [kind, start] of Object.entries(kinds))
    testWith(program, 'openssl')(`${name} ${kind} takes an artifact, and once only`, async () => {
      const [host, setting] = await start(program)
      const { blob } = await publish(host, setting)
      expect(blob.href).toBe(`http${setting.caFile ? 's' : ''}://${host}/v2/near/cache/blobs/${digestOf(bytes)}`)
      expect(opened).toBe(1)
      await publish(host, setting)
      expect(opened).toBe(1)
    })

testWith('docker-registry', 'crane')('what was published is an artifact for other clients too', async () => {
  const { host } = await distribution({})
  await publish(host)
  await expectThere(host)
  const got = execFileSync('crane', ['blob', '--insecure', `${host}/near/cache@${digestOf(bytes)}`], {
    maxBuffer: 2 * bytes.length,
  })
  expect(createHash('sha256').update(got).digest('hex')).toBe(digestOf(bytes).slice(7))
})

testWith('docker-registry')('a cache of another registry takes no uploads, and the message says so', async () => {
  const upstream = await distribution({})
  const { host } = await distribution({ upstream: `http://${upstream.host}` })
  expect(await refusal(publish(host))).toMatch(
    /^REGISTRY_REFUSED: Cannot write "sha256:\w+" to \S+: the registry answered 405 \(UNSUPPORTED: .*\); it takes no uploads, as caches of others do; use another$/,
  )
})

testWith('docker-registry')('a wrong password is refused with its source, and not shown', async () => {
  const { host } = await distribution({ htpasswd })
  const message = await refusal(publish(host, { username: 'robot$x', password: 'mistaken' }))
  expect(message).toMatch(
    /^REGISTRY_REFUSED: Cannot write "sha256:.*401.* to the login from postgres-oci:registries; check that login, and whether it may write to this repository$/,
  )
  expect(message).not.toContain('mistaken')
})

test.skipIf(lacksRoot)('a registry whose disk is full is named as such', async () => {
  const data = join(folder, 'small')
  mkdirSync(data)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', data])
  try {
    const { host } = await distribution({ data })
    expect(await refusal(publish(host))).toMatch(
      /^REGISTRY_FAILED: Cannot write "sha256:\w+" to \S+: the registry answered 500 \(UNKNOWN: unknown error\); its disk may be full, or it is down: look there$/,
    )
  } finally {
    for (const one of closing.splice(0)) await one.close()
    execFileSync('umount', ['-l', data])
  }
})

test('what is there is not sent again, and its tag is not written again', async () => {
  const { host, requests } = await inside()
  await publish(host)
  const before = requests.length
  await publish(host)
  expect(requests.slice(before).map((line) => line.split(' ')[0])).toEqual(['HEAD', 'HEAD', 'HEAD'])
  expect(opened).toBe(1)
})

test('a login for both pulling and pushing is asked for, once', async () => {
  const { host, records } = await inside({
    login: { kind: 'bearer', public: true, accounts: { [account.username]: account.password } },
  })
  await publish(host, account)
  const scopes = records
    .filter(({ server }) => server === 'tokens')
    .map(({ url }) => new URL(url, 'http://x').searchParams.getAll('scope'))
  expect(scopes).toEqual([['repository:near/cache:pull,push']])
})

test('an upload that broke off in its middle is begun anew', async () => {
  const { host, requests, fault } = await inside()
  const cut: Fault = (answer, request) => void request.once('data', () => answer.destroy())
  fault(/^PUT .*uploads/, cut, status(503), status(404, {}, errors('BLOB_UPLOAD_UNKNOWN', 'unknown')))
  await publish(host)
  expect(opened).toBe(4)
  expect(requests.filter((line) => line.startsWith('POST'))).toHaveLength(5)
})

test('an upload that came although its answer was lost is not sent again', async () => {
  const { host, repositories, fault } = await inside()
  fault(/^PUT .*uploads/, (answer, request) => {
    request.resume().once('end', () => {
      const { blob } = artifact
      const content = new Map([[blob.digest, { ...blob, bytes }]])
      repositories.set('near/cache', { content, tags: new Map() })
      answer.destroy()
    })
  })
  await publish(host)
  expect(opened).toBe(1)
})

test('bytes may go to another host, with its signed query and without our login', async () => {
  const { host, repositories, fault } = await inside({
    login: { kind: 'basic', accounts: { [account.username]: account.password } },
  })
  const seen: Recorded[] = []
  const { origin, close } = await listen(
    async (request, answer) => {
      keep(repositoryOf(repositories, 'near/cache'), 'application/octet-stream', await bodyOf(request))
      answer.writeHead(201).end()
    },
    {
      record: ({ method = '', url = '', headers, httpVersion }) =>
        void seen.push({ server: 'storage', method, url, headers, httpVersion }),
    },
  )
  perTest.push({ close })
  const elsewhere: Fault = (answer) => void answer.writeHead(202, { location: `${origin}/up?s=a%20b%2Bc~d` }).end()
  fault(/^POST .*uploads/, elsewhere)
  await publish(host, account)
  expect(seen).toHaveLength(1)
  expect(seen[0]?.url).toBe(`/up?s=a%20b%2Bc~d&digest=${encodeURIComponent(digestOf(bytes))}`)
  expect(seen[0]?.headers.authorization).toBeUndefined()
})

test.each([
  ['no Location', {}],
  ['what is no URL', { location: 'http://[' }],
  ['a file', { location: 'file:///etc/passwd' }],
])('an upload that is sent to %s is refused', async (_, headers) => {
  const { host, fault } = await inside()
  fault(/^POST/, status(202, headers))
  expect(await refusal(publish(host))).toMatch(/^REGISTRY_REFUSED: Cannot write to .* which is no URL that we may use/)
})

test.each<[number, string, RegExp]>([
  [403, 'DENIED', /^REGISTRY_REFUSED: .*answered 403 \(DENIED: no\); check the name, and who may write there$/],
  [404, 'NAME_UNKNOWN', /^REGISTRY_REFUSED: .*\(NAME_UNKNOWN: no\); check the name, or create the repository there$/],
  [413, 'SIZE_INVALID', /^REGISTRY_REFUSED: .*; it is larger than that takes; raise the limit there$/],
])('a %i on the upload says what to do', async (code, name, expected) => {
  const { host, fault } = await inside()
  fault(/^POST/, status(code, {}, errors(name, 'no')))
  expect(await refusal(publish(host))).toMatch(expected)
})

test('an answer in the middle of an upload is heard', async () => {
  const { host, fault } = await inside()
  fault(/^PUT .*uploads/, (answer, request) => {
    request.once('data', () => answer.writeHead(413, { connection: 'close' }).end(errors('SIZE_INVALID', 'too much')))
  })
  expect(await refusal(publish(host))).toContain('answered 413 (SIZE_INVALID: too much)')
})

test('a registry that says it took something else is not believed', async () => {
  const { host, fault } = await inside()
  const other = digestOf('other')
  fault(/^PUT .*uploads/, (answer, request) => {
    request.resume().once('end', () => answer.writeHead(201, { 'docker-content-digest': other }).end())
  })
  expect(await refusal(publish(host))).toBe(
    `DIGEST_MISMATCH: Cannot write ${digestOf(bytes)} to ${host}/near/cache: the registry says that it took "${other}"; ask who runs it`,
  )
})

test('a registry that has a blob of another length under the same digest is not believed', async () => {
  const { host, fault } = await inside()
  fault(/^HEAD/, status(200, { 'content-length': '7' }))
  expect(await refusal(publish(host))).toMatch(
    /^REGISTRY_FAILED: .*has "7" bytes, and it has 12000000; ask who runs it$/,
  )
})

test('a source that fails is the failure, and nobody asks it again', async () => {
  const { host } = await inside()
  const open = vi.fn(() => Readable.from(brokenBytes(), { objectMode: false }))
  await expect(publish(host, {}, { artifactType, blob: { ...artifact.blob, open } })).rejects.toThrow('disk gone')
  expect(open).toHaveBeenCalledOnce()
})

async function* brokenBytes() {
  yield bytes.subarray(0, 100_000)
  throw new Error('disk gone')
}
