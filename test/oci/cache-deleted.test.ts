import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { beforeEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type Cache, openCache } from '../../src/oci/cache.ts'
import type { Source } from '../../src/oci/source.ts'
import { startRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { blob, blobsOf, image, index } from '../support/layout.ts'

const parent = temporaryFolder()
const bytes = randomBytes(400_000)
const one = blob('x', bytes)

let folder: string
let cache: Cache
let asked: number
beforeEach(() => {
  folder = mkdtempSync(join(parent, 'cache-'))
  cache = openCache(folder)
  asked = 0
})
const deleteAll = () => rmSync(folder, { recursive: true })

/** A source that does something while its bytes are on their way. */
function sourceThat(act: (time: number) => Promise<void> | void): Source {
  const ask = async () => {
    asked += 1
    const time = asked
    return Readable.from(
      (async function* () {
        yield bytes.subarray(0, 1000)
        await act(time)
        yield bytes.subarray(1000)
      })(),
    )
  }
  return {
    name: 'the test',
    resolve: () => Promise.reject(new Error('not asked')),
    tags: async () => [],
    referrers: () => Promise.reject(new Error('not asked')),
    manifest: async () => Buffer.concat(await Array.fromAsync(await ask())),
    blob: ask,
  }
}
const source = sourceThat(() => {})

test('a cache that is deleted during a download gets it again, its lock too', async () => {
  const path = await cache.blob(
    sourceThat((time) => {
      if (time === 1) deleteAll()
    }),
    one,
  )
  expect(readFileSync(path).equals(bytes)).toBe(true)
  expect(asked).toBe(2)
  expect(readdirSync(join(folder, 'blobs', 'sha256')).length).toBe(1)
})

test('a cache that is deleted again and again is given up with the reason, not waited for', async () => {
  await expect(cache.blob(sourceThat(deleteAll), one)).rejects.toThrow('ENOENT')
  expect(asked).toBe(3)
})

test('what is opened stays readable when it is deleted, and what was deleted before is fetched again', async () => {
  const file = await cache.open(source, one)
  deleteAll()
  expect((await file.readFile()).equals(bytes)).toBe(true)
  await file.close()
  const again = await cache.open(source, one)
  expect((await again.readFile()).equals(bytes)).toBe(true)
  await again.close()
  expect(asked).toBe(2)
})

test('what is deleted after it was fetched and before it is opened is fetched again', async () => {
  // The limit is asked after the download, and before anybody gets to open anything.
  const limit = () => {
    if (asked === 1 && existsSync(join(folder, 'blobs'))) deleteAll()
    return Infinity
  }
  const file = await openCache(folder, { limit }).open(source, one)
  expect((await file.readFile()).equals(bytes)).toBe(true)
  await file.close()
  expect(asked).toBe(2)
})

test('documents and derived facts come back, and are written again', async () => {
  const key = z.object({ a: z.number() })
  for (const count of [1, 2]) {
    expect(Buffer.from(await cache.manifest(source, one.digest)).equals(bytes)).toBe(true)
    expect(await cache.readJson('kind', 'key', key)).toBeUndefined()
    await cache.writeJson('kind', 'key', { a: count })
    expect(await cache.readJson('kind', 'key', key)).toEqual({ a: count })
    deleteAll()
  }
  expect(asked).toBe(2)
})

test('processes that share a cache all read their image while it is deleted under them', async () => {
  const made = image([randomBytes(900_000), randomBytes(300_000)])
  const both = index({ amd64: made })
  const registry = await startRegistry({ both }, blobsOf(made))
  // Twice, so that nobody can meet it more often than he tries.
  for (const wanted of made.layers)
    registry.fault(new RegExp(`blobs/${wanted.digest}`), (answer) => {
      rmSync(folder, { recursive: true, force: true })
      answer.writeHead(200, { 'content-length': wanted.size }).end(wanted.bytes)
    })
  try {
    const words = [join(import.meta.dirname, '../support/fetch-image.ts'), registry.host, both.digest, folder]
    const run = () => promisify(execFile)(process.execPath, words)
    const said = await Promise.all([run(), run(), run()])
    expect(said.map(({ stdout }) => stdout)).toEqual(['read\n', 'read\n', 'read\n'])
  } finally {
    await registry.close()
  }
})

test('four blobs of an image are on their way at once, and a document waits for none of them', async () => {
  const blobs = Array.from({ length: 9 }, (_, at) => blob('x', Buffer.from([at])))
  let most = 0
  let now = 0
  const gate = Promise.withResolvers<void>()
  const full = Promise.withResolvers<void>()
  const slow: Source = {
    ...source,
    blob: async ({ digest }) => {
      now += 1
      most = Math.max(most, now)
      if (now === 4) full.resolve()
      await gate.promise
      now -= 1
      return Readable.from(blobs.filter((one) => one.digest === digest).map((one) => one.bytes))
    },
  }
  const all = Promise.all(blobs.map((one) => cache.blob(slow, one)))
  await full.promise
  await cache.manifest(slow, one.digest)
  gate.resolve()
  await all
  expect(most).toBe(4)
})

test('a long download tells the log how far it is', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  try {
    const said: string[] = []
    const slow = sourceThat(() => void vi.advanceTimersByTime(5_000))
    await openCache(folder, { log: (line) => said.push(line) }).blob(slow, one)
    expect(said).toEqual([
      'Downloading the test: 0 % of 0.4 MB, 0.0 MB/s',
      'Downloaded the test: 0.4 MB in 5 s, 0.1 MB/s',
    ])
  } finally {
    vi.useRealTimers()
  }
})
