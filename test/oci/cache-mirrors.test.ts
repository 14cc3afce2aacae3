import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import type { Source } from '../../src/oci/source.ts'
import { cutAfter, send, stallAfter, startRegistry, status, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { blobsOf, image } from '../support/layout.ts'

const made = image([randomBytes(3000), randomBytes(2000)])
const [first, second] = made.layers as [(typeof made.layers)[0], (typeof made.layers)[0]]
const parent = temporaryFolder()

let folder: string
let registries: TestRegistry[]
let said: string[]
const log = (line: string) => said.push(line)

beforeEach(async () => {
  folder = mkdtempSync(join(parent, 'cache-'))
  said = []
  registries = await Promise.all([1, 2, 3].map(() => startRegistry({}, blobsOf(made))))
})
afterEach(async () => {
  await Promise.all(registries.map((one) => one.close()))
})

/** The first two registries are mirrors of the third. */
function source(): Source {
  const [one, two, origin] = registries.map(({ host }) =>
    openSource(parseReference(`${host}/team/image`), {
      settings: { [host]: { insecure: true } },
      network: { wait: async () => {} },
    }),
  ) as [Source, Source, Source]
  return { ...origin, mirrors: [one, two] }
}

const asked = () => registries.map(({ requests }) => requests.length)
const files = () => readdirSync(join(folder, 'blobs', 'sha256'))

test('mirrors are asked in their order, and the source only when none of them has it', async () => {
  const cache = openCache(folder, { log })
  expect(readFileSync(await cache.blob(source(), first)).equals(first.bytes)).toBe(true)
  expect(Buffer.from(await cache.manifest(source(), made.manifest.digest)).equals(made.manifest.bytes)).toBe(true)
  expect(asked()).toEqual([2, 0, 0])
  expect(said).toEqual([])
})

test.each([
  ['lies about its bytes', send(randomBytes(first.size))],
  ['lies about its size', send(Buffer.concat([first.bytes, first.bytes]))],
  ['is not allowed to', status(403)],
  ['sends half of it', cutAfter(first, 1500)],
])('a mirror that %s is passed over, named once, and not asked again', async (_, fault) => {
  const [liar, other] = registries as [TestRegistry, TestRegistry]
  liar.fault(/blobs/, ...Array(30).fill(fault))
  const cache = openCache(folder, { log })
  expect(readFileSync(await cache.blob(source(), first)).equals(first.bytes)).toBe(true)
  const before = liar.requests.length
  expect(readFileSync(await cache.blob(source(), second)).equals(second.bytes)).toBe(true)
  expect(liar.requests.length).toBe(before)
  expect(other.requests.length).toBe(2)
  expect(said).toEqual([
    expect.stringMatching(/^Passing over a mirror from now on: Cannot .* 127\.0\.0\.1:\d+\/team\/image.*$/),
  ])
  expect(said[0]).toContain(liar.host)
  expect(files().length).toBe(2)
})

test('a mirror that lacks something is named once, and asked for the next thing', async () => {
  const [lacking] = registries as [TestRegistry]
  lacking.fault(/blobs/, status(404), status(404))
  const cache = openCache(folder, { log })
  for (const one of [first, second, made.config]) await cache.blob(source(), one)
  expect(asked()).toEqual([3, 2, 0])
  expect(said).toEqual([expect.stringMatching(/^Passing over a mirror where it lacks something: Cannot find /)])
})

test('when nobody has it, the error is the own one of the source, and nothing is left', async () => {
  const [one, two, origin] = registries as [TestRegistry, TestRegistry, TestRegistry]
  one.fault(/blobs/, send(randomBytes(first.size)))
  two.fault(/blobs/, status(404))
  origin.fault(/blobs/, status(403))
  const cache = openCache(folder, { log })
  await expect(cache.blob(source(), first)).rejects.toThrow(`from ${origin.host}/team/image: the registry answered 403`)
  expect(said.length).toBe(2)
  expect(files()).toEqual([])
})

test('an abort is no reason to ask the next one', async () => {
  const [slow] = registries as [TestRegistry]
  const abort = new AbortController()
  const reason = new ProviderError('ABORTED', 'Stopped')
  slow.fault(/blobs/, (answer, request) => {
    stallAfter(first, 10)(answer, request)
    setImmediate(() => abort.abort(reason))
  })
  const cache = openCache(folder, { log })
  await expect(cache.blob(source(), first, { signal: abort.signal })).rejects.toBe(reason)
  expect(asked()).toEqual([1, 0, 0])
  expect(said).toEqual([])
})

test('a mirror whose failure says nothing of it is named all the same', async () => {
  const broken: Source = {
    ...source(),
    name: 'mirror.example.com/acme',
    blob: () => Promise.reject(new Error('\u001b[2J')),
  }
  await openCache(folder, { log }).blob({ ...source(), mirrors: [broken] }, first)
  expect(said).toEqual(['Passing over the mirror mirror.example.com/acme from now on: \\x1b[2J'])
})
