import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { parseReference } from '../../src/model/reference.ts'
import { type Cache, openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import type { Source } from '../../src/oci/source.ts'
import {
  cutAfter,
  errors,
  type Fault,
  headersOf,
  send,
  stallAfter,
  startRegistry,
  status,
  type TestRegistry,
} from '../support/fault-registry.ts'
import { blob, blobsOf, image } from '../support/layout.ts'

const made = image([randomBytes(3 * 1024 ** 2)])
const [layer] = made.layers as [(typeof made.layers)[0]]
const folder = mkdtempSync(join(tmpdir(), 'pgoci-faults-'))
const waits: number[] = []

let registry: TestRegistry
let cache: Cache
let source: Source

beforeEach(async () => {
  registry = await startRegistry({ one: made.manifest }, blobsOf(made))
  cache = openCache(join(folder, 'cache'))
  source = sourceOf(registry)
  waits.length = 0
})
afterEach(async () => {
  await registry.close()
  rmSync(folder, { recursive: true, force: true })
})

function sourceOf({ host }: TestRegistry, stall = 30_000): Source {
  const wait = async (milliseconds: number) => void waits.push(milliseconds)
  return openSource(parseReference(`${host}/team/image:one`), {
    settings: { [host]: { insecure: true } },
    network: { stall, wait },
  })
}

async function fetched(from: Source = source): Promise<boolean> {
  return readFileSync(await cache.blob(from, layer)).equals(layer.bytes)
}

async function failure(run: () => Promise<unknown>): Promise<ProviderError> {
  const error = await run().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ProviderError)
  expect((error as ProviderError).message).toMatch(/^Cannot [^\n]*; [^\n]*[a-z]$/)
  return error as ProviderError
}

const redirectTo =
  (location: string): Fault =>
  (answer) =>
    void answer.writeHead(307, { location }).end()

test.each([0, 1, 1000, 1024 ** 2, layer.size - 1])('a connection cut at byte %i gives no wrong byte', async (count) => {
  registry.fault(/blobs/, cutAfter(layer, count))
  expect(await fetched()).toBe(true)
  expect(registry.requests.filter((line) => line.includes('/blobs/'))).toHaveLength(2)
})

test('a connection that is cut again and again is given up, unless each time brings a mebibyte', async () => {
  registry.fault(/blobs/, ...[1, 2, 3, 4].map((count) => cutAfter(layer, count)))
  expect((await failure(() => fetched())).code).toBe('REGISTRY_FAILED')
  const counts = [1, 2, 3, 1.4 * 1024 ** 2, 5, 6, 2.8 * 1024 ** 2, 8, 9].map(Math.floor)
  registry.fault(/blobs/, ...counts.map((count) => cutAfter(layer, count)))
  expect(await fetched()).toBe(true)
})

test('a blob that is another one after a cut is refused', async () => {
  const other = randomBytes(layer.size)
  registry.fault(/blobs/, cutAfter(layer, 70_000), send(other, { 'content-length': String(layer.size) }))
  expect((await failure(() => fetched())).code).toBe('DIGEST_MISMATCH')
})

test.each<[string, Fault]>([
  ['wrong bytes', send(randomBytes(layer.size))],
  ['a byte too few, announced', send(layer.bytes.subarray(1))],
  ['a byte too many, announced', send(Buffer.concat([layer.bytes, Buffer.alloc(1)]))],
  [
    'more bytes, not announced',
    send(Buffer.concat([layer.bytes, Buffer.alloc(9)]), { 'transfer-encoding': 'chunked' }),
  ],
  ['gzip as content coding', send(gzipSync(layer.bytes), { 'content-encoding': 'gzip' })],
])('a blob with %s is refused', async (_, fault) => {
  registry.fault(/blobs/, fault)
  expect((await failure(() => fetched())).code).toBe('DIGEST_MISMATCH')
  // Nothing of it stays: the next one is asked for and right.
  expect(await fetched()).toBe(true)
})

test('a blob that ends early without having been announced is asked for again', async () => {
  registry.fault(/blobs/, send(layer.bytes.subarray(0, 9000), { 'transfer-encoding': 'chunked' }))
  expect(await fetched()).toBe(true)
})

test.each<[string, number]>([
  ['headers', 0],
  ['bytes', 9000],
])('a transfer that stalls before its %s ends, and is tried again', async (_, count) => {
  registry.fault(/blobs/, count === 0 ? () => {} : stallAfter(layer, count))
  expect(await fetched(sourceOf(registry, 150))).toBe(true)
})

test('a registry that only ever stalls is given up with a reason', async () => {
  registry.fault(/blobs/, ...Array.from({ length: 4 }, () => stallAfter(layer, 10)))
  const { message } = await failure(() => fetched(sourceOf(registry, 150)))
  expect(message).toBe(
    `Cannot reach ${registry.host}/team/image: ${registry.host} does not answer in time; check the name and the network, and run it again`,
  )
})

test.each([408, 429, 500, 502, 503, 504])('%i is tried again', async (code) => {
  registry.fault(/blobs/, status(code), status(code))
  expect(await fetched()).toBe(true)
  expect(waits).toHaveLength(2)
  for (const [at, milliseconds] of waits.entries()) {
    expect(milliseconds).toBeGreaterThanOrEqual(375 * 2 ** at)
    expect(milliseconds).toBeLessThanOrEqual(625 * 2 ** at)
  }
})

test.each([400, 401, 403, 404, 418])('%i is not tried again', async (code) => {
  registry.fault(/blobs/, ...Array.from({ length: 9 }, () => status(code)))
  const { message } = await failure(() => fetched())
  expect(message).toContain(`the registry answered ${code}`)
  expect(waits).toEqual([])
})

test.each<[string, string, number, number]>([
  ['seconds', '2', 1900, 2000],
  ['more than a minute', '9999', 59_900, 60_000],
  ['a date', new Date(Date.now() + 30_000).toUTCString(), 5_000, 30_000],
  ['a date that is past', 'Fri, 01 Jan 2021 00:00:00 GMT', 375, 625],
  ['no time', 'soon', 375, 625],
])('Retry-After of %s is waited for', async (_, value, least, most) => {
  registry.fault(/HEAD/, status(429, { 'retry-after': value }))
  await source.resolve('one')
  expect(waits).toHaveLength(1)
  expect(waits[0]).toBeGreaterThanOrEqual(least)
  expect(waits[0]).toBeLessThanOrEqual(most)
})

test('a registry that stays busy says so in the end', async () => {
  registry.fault(
    /./,
    ...Array.from({ length: 8 }, () => status(429, {}, errors('TOOMANYREQUESTS', 'slow\u001b[2J down'))),
  )
  const { message } = await failure(() => source.resolve('one'))
  expect(message).toBe(
    `Cannot read "one" from ${registry.host}/team/image: the registry answered 429 (TOOMANYREQUESTS: slow\\x1b[2J down); it allows no more requests now, run it again later, or log in, which may allow more`,
  )
})

test('a tag is resolved by HEAD, and by GET where HEAD does not tell', async () => {
  const { digest, bytes, mediaType } = made.manifest
  const untold: Fault = (answer) => void answer.writeHead(200, { 'content-type': mediaType }).end()
  expect((await source.resolve('one')).digest).toBe(digest)
  for (const fault of [
    status(405),
    status(404),
    untold,
    send(Buffer.alloc(0), { 'docker-content-digest': 'md5:00' }),
  ]) {
    registry.fault(/HEAD/, fault)
    registry.fault(/GET/, send(bytes))
    expect((await source.resolve('one')).digest).toBe(digest)
  }
})

test('a tag whose digest is a lie is refused, by GET at once, by HEAD when its manifest comes', async () => {
  const lie = blob('x', Buffer.from('lie'))
  registry.fault(/HEAD/, status(405))
  registry.fault(/GET/, send(made.manifest.bytes, { 'docker-content-digest': lie.digest }))
  expect((await failure(() => source.resolve('one'))).code).toBe('DIGEST_MISMATCH')
  registry.fault(/HEAD/, status(200, { 'docker-content-digest': lie.digest }))
  registry.fault(/GET/, send(made.manifest.bytes))
  const { digest } = await source.resolve('one')
  expect((await failure(() => cache.manifest(source, digest))).code).toBe('DIGEST_MISMATCH')
})

test('a tag whose type is said in two ways is refused, and what says no type is not', async () => {
  const { bytes, digest } = made.manifest
  registry.fault(/HEAD/, status(405), status(405))
  registry.fault(/GET/, send(bytes, { 'content-type': 'application/vnd.oci.image.index.v1+json' }))
  const { code, message } = await failure(() => source.resolve('one'))
  expect(code).toBe('BAD_IMAGE')
  expect(message).toContain('the registry says it is of type "application/vnd.oci.image.index.v1+json", and itself')
  registry.fault(/GET/, send(bytes, { 'content-type': 'Application/vnd.oci.image.manifest.v1+json; charset=utf-8' }))
  expect((await source.resolve('one')).digest).toBe(digest)
})

test('a missing tag names itself and what the registry said', async () => {
  const { code, message } = await failure(() => source.resolve('two'))
  expect(code).toBe('NOT_FOUND')
  expect(message).toBe(
    `Cannot find "two" in ${registry.host}/team/image: the registry answered 404 (MANIFEST_UNKNOWN: manifest unknown); check the name and the tag`,
  )
})

test('a manifest, an error and a token of any size are read to their limit only', async () => {
  const large = Buffer.alloc(5 * 1024 ** 2, ' ')
  registry.fault(/manifests/, send(large))
  expect((await failure(() => cache.manifest(source, made.manifest.digest))).code).toBe('LIMIT_EXCEEDED')
  registry.fault(/manifests/, (answer) => void answer.writeHead(404).end(large))
  expect((await failure(() => cache.manifest(source, made.manifest.digest))).code).toBe('NOT_FOUND')
  registry.fault(/manifests/, status(401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token"` }))
  registry.fault(/token/, send(large))
  expect((await failure(() => cache.manifest(source, made.manifest.digest))).code).toBe('LIMIT_EXCEEDED')
})

test('redirects are followed, and no further than ten', async () => {
  const cdn = await startRegistry({}, [layer])
  registry.fault(/blobs/, redirectTo(`http://${cdn.host}/v2/team/image/blobs/${layer.digest}?sig=secret`))
  expect(await fetched()).toBe(true)
  await cdn.close()
  registry.fault(/manifests/, ...Array.from({ length: 11 }, () => redirectTo('/v2/team/image/manifests/one')))
  expect((await failure(() => source.resolve('one'))).message).toContain('it redirects more than 10 times')
})

test('a redirect to a dead host names that host, and not its query', async () => {
  const dead = await startRegistry({}, [])
  await dead.close()
  const target = `http://${dead.host}/data?sig=secret`
  registry.fault(/blobs/, ...Array.from({ length: 4 }, () => redirectTo(target)))
  const { message } = await failure(() => fetched())
  expect(message).toContain(`${dead.host} refuses connections`)
  expect(message).not.toContain('secret')
})

test.each(['ftp://x/y', 'file:///etc/passwd', 'http://['])('a redirect to %s is refused', async (target) => {
  registry.fault(/blobs/, redirectTo(target))
  expect((await failure(() => fetched())).message).toContain('it redirects')
})

test('aborting ends a transfer at once, with the reason of who aborted', async () => {
  const reason = new ProviderError('ABORTED', 'Stopped')
  for (const fault of [() => {}, stallAfter(layer, 10)]) {
    const abort = new AbortController()
    registry.fault(/blobs/, (answer, request) => {
      fault(answer, request)
      setImmediate(() => abort.abort(reason))
    })
    await expect(cache.blob(source, layer, { signal: abort.signal })).rejects.toBe(reason)
  }
  expect(await fetched()).toBe(true)
})

test('headers of a blob are not believed where its bytes tell', async () => {
  registry.fault(/blobs/, send(layer.bytes, { ...headersOf(layer), 'docker-content-digest': 'sha256:lie' } as never))
  expect(await fetched()).toBe(true)
})

test('Bug: a manifest that breaks off or stalls in its middle is asked for again, and given up with a reason', async () => {
  const { digest, bytes } = made.manifest
  const patient = sourceOf(registry, 150)
  registry.fault(/manifests/, cutAfter(made.manifest, 20), stallAfter(made.manifest, 20))
  expect(Buffer.from(await patient.manifest(digest)).equals(bytes)).toBe(true)
  registry.fault(/manifests/, ...Array.from({ length: 4 }, () => cutAfter(made.manifest, 20)))
  expect((await failure(() => patient.manifest(digest))).code).toBe('REGISTRY_FAILED')
})
