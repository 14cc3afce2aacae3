import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ServerHttp2Stream } from 'node:http2'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { registrySource } from '../../src/oci/registry.ts'
import type { Source } from '../../src/oci/source.ts'
import { type Certificate, makeCertificate } from '../support/certificate.ts'
import {
  type Fault,
  headersOf,
  stallAfter,
  startRegistry,
  status,
  type TestRegistry,
} from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { type Blob, blobsOf, image } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'

// What HTTP/1.1 tells by closing a connection, HTTP/2 tells by ending a stream: cuts, stalls and aborts are others.
const made = image([randomBytes(6 * 1024 ** 2), randomBytes(100_000)])
const [large, small] = made.layers as [Blob, Blob]
const folder = temporaryFolder()

let certificate: Certificate
let registry: TestRegistry
let versions: Set<string>
beforeAll(() => {
  certificate = makeCertificate(join(folder, 'server'))
})
beforeEach(async () => {
  const tls = { cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) }
  versions = new Set()
  registry = await startRegistry({ one: made.manifest }, blobsOf(made), { tls })
})
afterEach(() => registry.close())

function source(stall = 30_000): Source {
  const reference = { transport: 'registry' as const, registry: registry.host, repository: 'team/image' }
  const certificates = { caFiles: [certificate.authority] }
  return registrySource(reference, { certificates, env: {}, network: { stall, wait: async () => {} } })
}

async function read(one: Blob, from = source(), signal?: AbortSignal): Promise<boolean> {
  const chunks: Buffer[] = []
  for await (const chunk of await from.blob(one, signal ? { signal } : {})) chunks.push(chunk)
  return Buffer.concat(chunks).equals(one.bytes)
}

type Streaming = Parameters<Fault>[0] & { stream: ServerHttp2Stream }

/** Sends what comes before a fault, and then ends the stream, or the whole session. */
const cut =
  (one: Blob, count: number, what: 'stream' | 'session'): Fault =>
  (answer, request) => {
    versions.add(request.httpVersion)
    answer.writeHead(200, headersOf(one)).write(one.bytes.subarray(0, count), () => {
      const { stream } = answer as Streaming
      if (what === 'stream') stream.close(2)
      else stream.session?.destroy()
    })
  }

testWith('openssl')('a stream or a session that breaks off is gone on with', async () => {
  registry.fault(/blobs/, cut(small, 40_000, 'stream'), cut(small, 60_000, 'session'))
  expect(await read(small)).toBe(true)
  expect([...versions]).toEqual(['2.0'])
  const wanted = registry.records.map(({ headers }) => headers.range)
  expect(wanted).toHaveLength(3)
  expect(wanted[1]).toMatch(/^bytes=\d+-$/)
})

testWith('openssl')('blobs larger than the windows come whole, several at once', async () => {
  expect(await Promise.all([read(large), read(small), read(large)])).toEqual([true, true, true])
})

testWith('openssl')('a stalled stream ends, and others of its session go on', async () => {
  registry.fault(/blobs/, stallAfter(small, 1000))
  const [stalled, other] = await Promise.all([read(small, source(300)), read(large, source(300))])
  expect([stalled, other]).toEqual([true, true])
})

testWith('openssl')('aborting ends one stream at once, and the session serves the next', async () => {
  const abort = new AbortController()
  registry.fault(/blobs/, (answer, request) => {
    stallAfter(small, 1000)(answer, request)
    setImmediate(() => abort.abort(new ProviderError('ABORTED', 'Stopped')))
  })
  await expect(read(small, source(), abort.signal)).rejects.toThrow('Stopped')
  expect(await read(small)).toBe(true)
})

testWith('openssl')('a reader that stops in the middle leaves the session to others', async () => {
  const from = source()
  for await (const chunk of await from.blob(large)) {
    expect(chunk.length).toBeGreaterThan(0)
    break
  }
  expect(await read(small, from)).toBe(true)
  registry.fault(/HEAD/, status(500))
  expect((await from.resolve('one')).digest).toBe(made.manifest.digest)
})
