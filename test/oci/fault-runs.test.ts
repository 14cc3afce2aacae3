import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readFlatImage } from '../../src/engine/image.ts'
import { ProviderError } from '../../src/model/error.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import { type Fault, send, startRegistry, status, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { type Blob, blobsOf, image } from '../support/layout.ts'
import { type Listening, listen, type Recorded } from '../support/registry/listen.ts'
import { describeTree, file, tar, treeOf } from '../support/tar.ts'

const seed = Number(process.env['PGOCI_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const folder = temporaryFolder()
const layers = [0, 1, 2].map((at) => tar(file(`layer-${at}`, randomBytes(120_000)), file('shared', `of ${at}`)))
const made = image(layers.map((layer) => gzipSync(layer)))
const byDigest = new Map(blobsOf(made).map((one) => [String(one.digest), one]))
const secret = 'correct-horse-battery'
const elsewhere: Recorded[] = []
let wanted: string[]
let stranger: Listening
let deadHost: string

beforeAll(async () => {
  wanted = describeTree(await treeOf(layers))
  // Another origin, which would like to be told who we are.
  stranger = await listen(
    (_, answer) =>
      void answer
        .writeHead(401, { 'www-authenticate': `Bearer realm="${stranger.origin}/token",service="x", Basic realm="x"` })
        .end(),
    {
      tls: undefined,
      record: ({ method = '', url = '', headers, httpVersion }) =>
        void elsewhere.push({ server: 'storage', method, url, headers, httpVersion }),
    },
  )
  const dead = await startRegistry({}, [])
  deadHost = dead.host
  await dead.close()
})
afterAll(async () => {
  await stranger.close()
})

interface Chance {
  /** Between 0 and 1: at which byte. */
  readonly at: number
  readonly registry: TestRegistry
}
type Make = (chance: Chance) => Fault

const askedFor = (request: IncomingMessage): Blob =>
  byDigest.get(/sha256:[0-9a-f]{64}/.exec(request.url ?? '')?.[0] ?? '') ?? made.manifest
/** Answers with a document's headers and other bytes. */
const answering =
  (change: (one: Blob, chance: Chance) => { bytes: Buffer; headers?: Record<string, string>; ends?: boolean }): Make =>
  (chance) =>
  (answer: ServerResponse, request) => {
    const one = askedFor(request)
    const { bytes, headers = { 'content-length': String(one.size) }, ends = true } = change(one, chance)
    answer.writeHead(200, { 'content-type': one.mediaType, ...headers })
    if (request.method === 'HEAD') return void answer.end()
    if (ends) answer.end(bytes)
    else answer.write(bytes)
  }
const redirect =
  (to: (chance: Chance, request: IncomingMessage) => string): Make =>
  (chance) =>
  (answer, request) =>
    void answer.writeHead(307, { location: to(chance, request) }).end()
const cutAt = ({ bytes }: Blob, { at }: Chance) => bytes.subarray(0, Math.floor(at * bytes.length))

/** Each by its name in C-oci, 1.4 and 6. */
const faults: Readonly<Record<string, Make>> = {
  'a reset at a random byte': (chance) => (answer, request) => {
    const one = askedFor(request)
    answer.writeHead(200, { 'content-type': one.mediaType, 'content-length': one.size }).flushHeaders()
    answer.write(cutAt(one, chance), () => answer.destroy())
  },
  'a reset before the headers': () => (answer) => void answer.destroy(),
  'a stall': answering((one, chance) => ({ bytes: cutAt(one, chance), ends: false })),
  'a stall before the headers': () => () => {},
  500: () => status(500),
  503: () => status(503, {}, '<html>'),
  '429 with seconds': () => status(429, { 'retry-after': '3' }),
  '429 with a date': () => status(429, { 'retry-after': new Date(Date.now() + 5000).toUTCString() }),
  404: () => status(404),
  403: () => status(403),
  '416': () => status(416),
  'wrong bytes': answering((one) => ({ bytes: randomBytes(one.size) })),
  'one wrong byte': answering((one, { at }) => {
    const index = Math.floor(at * one.size)
    return { bytes: Buffer.from(one.bytes.with(index, (one.bytes[index] ?? 0) ^ 1)) }
  }),
  'a wrong length': answering((one) => ({
    bytes: one.bytes.subarray(1),
    headers: { 'content-length': String(one.size - 1) },
  })),
  'a short end': answering((one, chance) => ({
    bytes: cutAt(one, chance),
    headers: { 'transfer-encoding': 'chunked' },
  })),
  'more bytes': answering((one) => ({ bytes: Buffer.concat([one.bytes, Buffer.alloc(9)]), headers: {} })),
  'no bytes': () => send(Buffer.alloc(0)),
  'a token that runs out':
    ({ registry }) =>
    (answer, request) => {
      registry.expireTokens()
      const realm = `${registry.records.find(({ server }) => server === 'tokens')?.headers.host ?? ''}`
      answer.writeHead(401, {
        'www-authenticate': `Bearer realm="http://${realm}/token",service="test",error="invalid_token"`,
      })
      answer.end(String(request.url))
    },
  'a redirect to a dead host': redirect(() => `http://${deadHost}/x?signature=s`),
  'a redirect to a host that asks who we are': redirect(() => `${stranger.origin}/x`),
  'a redirect in a circle': redirect((_, { url = '' }) => url),
  'a redirect to no URL': redirect(() => 'http://['),
  'a redirect to a file': redirect(() => 'file:///etc/passwd'),
  'a redirect with a login in it': redirect(() => `http://a:b@${stranger.origin.slice('http://'.length)}/x`),
  'a realm of another host': () =>
    status(401, { 'www-authenticate': `Bearer realm="http://${deadHost}/token",service="test"` }),
  'a challenge of no kind': () => status(401, { 'www-authenticate': 'Negotiate' }),
  'a content coding': answering((one) => ({ bytes: gzipSync(one.bytes), headers: { 'content-encoding': 'gzip' } })),
  'a huge answer': answering(() => ({ bytes: Buffer.alloc(6 * 1024 ** 2, ' '), headers: {} })),
  'a wrong Content-Range': (chance) => (answer, request) => {
    const one = askedFor(request)
    answer
      .writeHead(206, { 'content-range': `bytes ${Math.floor(chance.at * 100)}-${one.size - 1}/${one.size}` })
      .end(one.bytes)
  },
  'a part that was not asked for': answering((one) => ({ bytes: one.bytes.subarray(100), headers: {} })),
}

async function pull(registry: TestRegistry): Promise<string[] | ProviderError> {
  const reference = parseReference(`${registry.host}/team/image:one`)
  const source = openSource(reference, {
    settings: { [registry.host]: { insecure: true, username: 'user', password: secret } },
    env: { HOME: folder },
    systemRoot: folder,
    network: { stall: 250, wait: async () => {} },
  })
  const signal = AbortSignal.timeout(20_000)
  const cache = openCache(mkdtempSync(join(folder, 'cache-')))
  try {
    const { digest } = await source.resolve('one', { signal })
    const flat = await readFlatImage({ source, reference, digest, platform: 'linux/amd64', cache, signal }, 'refuse')
    return describeTree(flat.tree)
  } catch (error) {
    // A hang over the limit is no clear error.
    expect(error).toBeInstanceOf(ProviderError)
    return error as ProviderError
  }
}

const variants = [{}, { redirect: true }, { ranges: false }] as const
const login = { kind: 'bearer', accounts: { user: secret } } as const
const stored: Recorded[] = []
const start = (which: number) => startRegistry({ one: made.manifest }, blobsOf(made), { login, ...variants[which] })
const stop = async (registry: TestRegistry) => {
  stored.push(...registry.records.filter(({ server }) => server === 'storage'))
  await registry.close()
}

let right = 0
let told = 0

/** Pulls through faults: the right bytes or a clear error, and no credential for a stranger. */
async function run(
  registry: TestRegistry,
  chosen: readonly (readonly [matching: RegExp, fault: Fault])[],
): Promise<void> {
  for (const [matching, fault] of chosen) registry.fault(matching, fault)
  const result = await pull(registry)
  if (result instanceof ProviderError) {
    told += 1
    expect(result.message).toMatch(/^Cannot [^\p{Cc}]*; [^\p{Cc}]*$/u)
    expect(result.message).not.toContain(secret)
    expect(result.message).not.toContain('signature=')
  } else {
    right += 1
    expect(result).toEqual(wanted)
  }
}

const kinds = [/GET .*\/blobs\//, /GET .*\/manifests\//, /HEAD/] as const

for (const [name, make] of Object.entries(faults))
  test.each(['blobs', 'manifests'])(`${name} of %s gives the right bytes or a clear error`, async (kind) => {
    for (const which of variants.keys()) {
      const registry = await start(which)
      await run(registry, [[new RegExp(`GET .*/${kind}/`), make({ at: 0.5, registry })]]).finally(() => stop(registry))
    }
  })

test('200 random faults give the right bytes or a clear error', async () => {
  const one = fc.record({
    name: fc.constantFrom(...Object.keys(faults)),
    at: fc.double({ min: 0, max: 0.999, noNaN: true }),
    kind: fc.constantFrom(...kinds),
  })
  const runs = fc.sample(fc.record({ which: fc.nat(2), all: fc.array(one, { minLength: 1, maxLength: 3 }) }), {
    numRuns: 200,
    seed,
  })
  for (const { which, all } of runs) {
    const registry = await start(which)
    await run(
      registry,
      all.map(({ name, at, kind }) => [kind, (faults[name] as Make)({ at, registry })]),
    )
      .catch((error: unknown) => {
        throw new Error(`PGOCI_SEED=${seed}, ${JSON.stringify(all)}`, { cause: error })
      })
      .finally(() => stop(registry))
  }
  process.stdout.write(`faults: ${right} pulls with the right bytes, ${told} with a clear error (PGOCI_SEED=${seed})\n`)
  expect(right).toBeGreaterThan(20)
  expect(told).toBeGreaterThan(20)
})

test('no credential went to anybody but the registry and its token server', () => {
  expect(stored.length).toBeGreaterThan(0)
  expect(elsewhere.length).toBeGreaterThan(0)
  for (const { url, headers } of [...stored, ...elsewhere]) {
    expect(headers.authorization).toBe(undefined)
    expect(`${url} ${JSON.stringify(headers)}`).not.toContain(secret)
  }
})
