import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { hexOf } from '../../src/model/digest.ts'
import { openCache } from '../../src/oci/cache.ts'
import type { Source } from '../../src/oci/source.ts'
import { cacheLimit } from '../../src/oci/sweep.ts'
import { temporaryFolder } from '../support/folder.ts'
import { type Blob, blob } from '../support/layout.ts'

const parent = temporaryFolder()
const newFolder = () => mkdtempSync(join(parent, 'cache-'))
const blobs = Array.from({ length: 6 }, () => blob('x', randomBytes(1000)))
const of = new Map(blobs.map((one) => [one.digest, one.bytes]))
const source: Source = {
  name: 'the test',
  resolve: () => Promise.reject(new Error('not asked')),
  tags: async () => [],
  manifest: () => Promise.reject(new Error('not asked')),
  referrers: () => Promise.reject(new Error('not asked')),
  blob: async ({ digest }) => Readable.from([of.get(digest)]),
}

/** Puts a file back to when it was last used. */
function age(path: string, hours: number): void {
  const then = Date.now() / 1000 - hours * 3600
  utimesSync(path, then, then)
}
const left = (folder: string) => readdirSync(join(folder, 'blobs', 'sha256')).toSorted()
const names = (...some: (Blob | undefined)[]) => some.map((one) => one && hexOf(one.digest)).toSorted()

test('what was used longest ago goes when the cache passes its limit', async () => {
  const folder = newFolder()
  const first = openCache(folder, { limit: () => Infinity })
  for (const [at, one] of blobs.slice(0, 5).entries()) age(await first.blob(source, one), 100 - at)
  // The oldest of them is used again, by the next run.
  await openCache(folder, { limit: () => Infinity }).blob(source, blobs[0] as Blob)
  await openCache(folder, { limit: () => 4000 }).blob(source, blobs[5] as Blob)
  expect(left(folder)).toEqual(names(blobs[0], blobs[4], blobs[5]))
})

test('what was used in the last hour stays, even when that is more than the limit', async () => {
  const folder = newFolder()
  for (const one of blobs.slice(0, 4)) age(await openCache(folder, { limit: () => 1 }).blob(source, one), 0.9)
  const old = await openCache(folder, { limit: () => 1 }).blob(source, blobs[4] as Blob)
  age(old, 1.1)
  await openCache(folder, { limit: () => 1 }).blob(source, blobs[5] as Blob)
  expect(left(folder)).toEqual(names(...blobs.slice(0, 4), blobs[5]))
})

test('one process counts what it adds and looks again, but not more often than once a minute', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    const folder = newFolder()
    const cache = openCache(folder, { limit: () => 3500 })
    const oldest = await cache.blob(source, blobs[0] as Blob)
    for (const one of blobs.slice(1, 4)) await cache.blob(source, one)
    age(oldest, 2)
    await cache.blob(source, blobs[4] as Blob)
    expect(existsSync(oldest)).toBe(true)
    vi.advanceTimersByTime(61_000)
    await cache.blob(source, blobs[5] as Blob)
    expect(existsSync(oldest)).toBe(false)
  } finally {
    vi.useRealTimers()
  }
})

test('derived facts count and go like all else, and using them keeps them', async () => {
  const folder = newFolder()
  const cache = openCache(folder, { limit: () => Infinity })
  for (const key of ['old', 'used']) await cache.writeJson('flat-v0', key, randomBytes(1000).toString('hex'))
  const paths = readdirSync(join(folder, 'derived', 'flat-v0')).map((name) => join(folder, 'derived', 'flat-v0', name))
  for (const path of paths) age(path, 48)
  expect(await openCache(folder).readJson('flat-v0', 'used', z.string())).toBeDefined()
  await openCache(folder, { limit: () => 3000 }).writeJson('flat-v1', 'new', 'x')
  expect(await cache.readJson('flat-v0', 'old', z.string())).toBeUndefined()
  expect(await cache.readJson('flat-v0', 'used', z.string())).toBeDefined()
})

test('using a blob marks it without making it unproven', async () => {
  const folder = newFolder()
  const path = await openCache(folder).blob(source, blobs[0] as Blob)
  const { mtimeMs } = statSync(path)
  utimesSync(path, Date.now() / 1000 - 7200, mtimeMs / 1000 - 7200)
  await openCache(folder).blob(source, blobs[0] as Blob)
  const found = statSync(path)
  expect(found.mtimeMs).toBe(mtimeMs - 7200_000)
  expect(Date.now() - found.atimeMs).toBeLessThan(60_000)
})

test('what killed processes left goes after a day, also with no limit; locks and downloads of others stay', async () => {
  const folder = newFolder()
  const at = join(folder, 'blobs', 'sha256')
  mkdirSync(at, { recursive: true })
  const [gone, there] = [hexOf((blobs[1] as Blob).digest), hexOf((blobs[2] as Blob).digest)]
  for (const [name, hours] of [
    [`${gone}.old-download`, 25],
    [`${gone}.lock`, 25],
    [`${there}.download`, 23],
    [`${there}.lock`, 0],
  ] as const) {
    writeFileSync(join(at, name), 'half')
    age(join(at, name), hours)
  }
  const path = await openCache(folder, { limit: () => Infinity }).blob(source, blobs[0] as Blob)
  expect(left(folder)).toEqual([basename(path), `${there}.download`, `${there}.lock`].toSorted())
})

test.each([
  [undefined, 10 * 1024 ** 3],
  ['', 10 * 1024 ** 3],
  ['20GB', 20e9],
  ['500 MB', 500e6],
  ['1.5GiB', 1.5 * 1024 ** 3],
  ['2T', 2e12],
  ['12345', 12345],
  ['0', Infinity],
  ['0 GB', Infinity],
])('PGOCI_CACHE_SIZE=%s is %d bytes', (text, size) => {
  expect(cacheLimit({ PGOCI_CACHE_SIZE: text })).toBe(size)
})

test.each(['much', '-1', '1e9', '20 gigs', 'GB', '1i', '9'.repeat(40)])('PGOCI_CACHE_SIZE=%s is refused', (text) => {
  expect(() => cacheLimit({ PGOCI_CACHE_SIZE: text })).toThrow(
    /^Cannot use PGOCI_CACHE_SIZE ".*": it is no size; write it as in 20GB, or 0 for no limit$/,
  )
})

test('a size that is none is told before anything is downloaded', async () => {
  const limit = () => cacheLimit({ PGOCI_CACHE_SIZE: 'much' })
  const unasked: Source = { ...source, blob: () => Promise.reject(new Error('asked')) }
  await expect(openCache(newFolder(), { limit }).blob(unasked, blobs[0] as Blob)).rejects.toThrow(
    'Cannot use PGOCI_CACHE_SIZE "much"',
  )
})
