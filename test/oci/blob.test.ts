import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { registrySource } from '../../src/oci/registry.ts'
import type { Source } from '../../src/oci/source.ts'
import {
  cutAfter,
  type Fault,
  headersOf,
  type RegistryOptions,
  send,
  stallAfter,
  startRegistry,
  status,
  type TestRegistry,
} from '../support/fault-registry.ts'
import { type Blob, blobsOf, image } from '../support/layout.ts'

const made = image(Array.from({ length: 7 }, () => randomBytes(300_000)))
const [layer] = made.layers as [Blob]

let registry: TestRegistry
beforeEach(() => start())
afterEach(() => registry.close())

async function start(options: RegistryOptions = {}): Promise<void> {
  await registry?.close()
  registry = await startRegistry({ one: made.manifest }, blobsOf(made), options)
}

function source(stall = 30_000): Source {
  const reference = { transport: 'registry' as const, registry: registry.host, repository: 'team/image' }
  return registrySource(reference, { setting: { insecure: true }, network: { stall, wait: async () => {} } })
}

async function read(one: Blob = layer, from = source()): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of await from.blob(one)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const ranges = () => registry.records.map(({ headers }) => headers.range)

/** A part of the blob, as its Content-Range says, or does not. */
const part =
  (contentRange: string, bytes: Buffer, headers: Record<string, string | number> = {}): Fault =>
  (answer) =>
    void answer.writeHead(206, { 'content-range': contentRange, ...headers }).end(bytes)

test.each([false, true])('what came before a cut is not asked for again (redirected: %s)', async (redirect) => {
  await start({ redirect })
  registry.fault(/blobs/, cutAfter(layer, 100_000), cutAfter(layer, 200_000))
  expect(await read()).toEqual(layer.bytes)
  // The second cut is of an answer that ignored the range, and was passed over up to where it was.
  const wanted = [undefined, 'bytes=100000-', 'bytes=200000-']
  expect(ranges()).toEqual(redirect ? [...wanted, 'bytes=200000-'] : wanted)
})

test('a registry that gives no parts is read from its beginning, and each byte comes once', async () => {
  await start({ ranges: false })
  registry.fault(/blobs/, cutAfter(layer, 100_000))
  expect(await read()).toEqual(layer.bytes)
  expect(ranges()).toEqual([undefined, 'bytes=100000-'])
})

const total = layer.size
test.each<[string, Fault]>([
  ['416', status(416, { 'content-range': `bytes */${total}` })],
  ['another beginning', part(`bytes 99999-${total - 1}/${total}`, layer.bytes.subarray(99_999))],
  ['another end', part(`bytes 100000-${total - 2}/${total}`, layer.bytes.subarray(100_000, -1))],
  ['another size', part(`bytes 100000-${total - 1}/${total + 1}`, layer.bytes.subarray(100_000))],
  [
    'another length',
    part(`bytes 100000-${total - 1}/${total}`, layer.bytes.subarray(100_001), { 'content-length': total - 100_001 }),
  ],
  ['no Content-Range', part('', layer.bytes.subarray(100_000))],
  ['Content-Range of other units', part(`lines 100000-${total - 1}/${total}`, layer.bytes.subarray(100_000))],
])('a part with %s is not used, and the blob is read from its beginning', async (_, fault) => {
  registry.fault(/blobs/, cutAfter(layer, 100_000), fault)
  expect(await read()).toEqual(layer.bytes)
  expect(ranges()).toEqual([undefined, 'bytes=100000-', undefined])
})

test.each([`bytes 100000-${total - 1}/*`, `bytes 100000-${total - 1}/${total}`])(
  'the rest is taken as %s',
  async (contentRange) => {
    registry.fault(/blobs/, cutAfter(layer, 100_000), part(contentRange, layer.bytes.subarray(100_000)))
    expect(await read()).toEqual(layer.bytes)
  },
)

test('a part that nobody asked for is refused', async () => {
  registry.fault(/blobs/, part(`bytes 0-${total - 1}/${total}`, layer.bytes))
  await expect(read()).rejects.toThrow('the registry answered 206')
})

test('a rest that is longer than it says is refused', async () => {
  const long = Buffer.concat([layer.bytes.subarray(100_000), Buffer.from('x')])
  const chunked: Fault = (answer) =>
    void answer.writeHead(206, { 'content-range': `bytes 100000-${total - 1}/${total}` }).end(long)
  registry.fault(/blobs/, cutAfter(layer, 100_000), chunked)
  await expect(read()).rejects.toThrow('the registry sends more bytes')
})

test('a whole that is cut again and again ends as an error that names who broke off', async () => {
  registry.fault(/blobs/, ...Array.from({ length: 9 }, () => cutAfter(layer, 1000)))
  await expect(read()).rejects.toThrow(/^Cannot reach .*\/team\/image: 127\.0\.0\.1:\d+ broke off \(.*\); /)
})

test('four blobs at once are read from one registry, whoever wants them, and the next when one is done', async () => {
  const held: (() => void)[] = []
  const hold: Fault = (answer, request) => {
    const one = made.layers.find(({ digest }) => request.url?.endsWith(digest)) as Blob
    held.push(() => void answer.writeHead(200, headersOf(one)).end(one.bytes))
  }
  registry.fault(/blobs/, ...made.layers.map(() => hold))
  const reads = made.layers.map((one) => read(one))
  await vi.waitUntil(() => held.length === 4)
  // Other requests are not held up, and come after all blobs that were let through.
  await source().resolve('one')
  expect(held).toHaveLength(4)
  held.shift()?.()
  await vi.waitUntil(() => held.length === 4)
  for (let done = 1; done < made.layers.length; done += 1) {
    await vi.waitUntil(() => held.length > 0)
    held.shift()?.()
  }
  expect(await Promise.all(reads)).toEqual(made.layers.map(({ bytes }) => bytes))
})

test('who stops reading, or is aborted in line, gives the place to the next', async () => {
  registry.fault(/blobs/, ...Array.from({ length: 4 }, () => stallAfter(layer, 1000)))
  const stalled = await Promise.all([1, 2, 3, 4].map(() => source().blob(layer)))
  for (const one of stalled) {
    one.resume()
    await once(one, 'data')
  }
  const abort = new AbortController()
  const inLine = await source().blob(layer, { signal: abort.signal })
  inLine.resume()
  const waiting = read()
  abort.abort(new ProviderError('ABORTED', 'Stopped'))
  await expect(once(inLine, 'end')).rejects.toThrow('Stopped')
  stalled[0]?.destroy()
  expect(await waiting).toEqual(layer.bytes)
  for (const one of stalled) one.destroy()
})

test('a blob of which all bytes came is whole, though its end is late', async () => {
  // Without a length, only the end of the connection would tell.
  registry.fault(/blobs/, (answer) => void answer.writeHead(200).write(layer.bytes))
  expect(await read(layer, source(200))).toEqual(layer.bytes)
  expect(registry.requests).toHaveLength(1)
})

test('a registry that has another length than the manifest says is refused before its bytes', async () => {
  registry.fault(/blobs/, send(layer.bytes.subarray(1), { 'content-length': String(layer.size - 1) }))
  await expect(read()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
})
