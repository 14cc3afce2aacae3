import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { hexOf } from '../../src/model/digest.ts'
import { ProviderError } from '../../src/model/error.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { readImage } from '../../src/oci/image.ts'
import { openSource } from '../../src/oci/open.ts'
import type { Source } from '../../src/oci/source.ts'
import { stallAfter, startRegistry } from '../support/fault-registry.ts'
import { blob, blobsOf, image, index } from '../support/layout.ts'

const bytes = randomBytes(400_000)
const one = blob('application/octet-stream', bytes)

let folder: string
let asked: number
/** A source that counts how often it is asked. */
const source: Source = {
  name: 'the test',
  resolve: () => Promise.reject(new Error('not asked')),
  tags: async () => [],
  manifest: async () => {
    asked += 1
    return bytes
  },
  blob: async () => {
    asked += 1
    return Readable.from([bytes])
  },
  referrers: async () => [],
}
const down: Source = {
  name: 'down',
  resolve: () => Promise.reject(new Error('down')),
  tags: async () => [],
  manifest: () => Promise.reject(new Error('down')),
  blob: () => Promise.reject(new Error('down')),
  referrers: () => Promise.reject(new Error('down')),
}
const pathOf = () => join(folder, 'blobs', 'sha256', hexOf(one.digest))
const files = () => readdirSync(join(folder, 'blobs', 'sha256'))

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgoci-cache-'))
  asked = 0
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a blob is fetched once, however many ask at once and later, and nothing else is left', async () => {
  const cache = openCache(folder)
  const paths = await Promise.all([
    cache.blob(source, one),
    cache.blob(source, one),
    openCache(folder).blob(source, one),
  ])
  expect(await openCache(folder).blob(down, one)).toBe(paths[0])
  expect(readFileSync(paths[0] as string).equals(bytes)).toBe(true)
  expect(asked).toBe(1)
  expect(files()).toEqual([hexOf(one.digest)])
})

test('two processes that want one image ask its registry for each blob once', async () => {
  const made = image([randomBytes(900_000), randomBytes(300_000)])
  const both = index({ amd64: made })
  const registry = await startRegistry({ both }, blobsOf(made))
  try {
    const words = [join(import.meta.dirname, '../support/fetch-image.ts'), registry.host, both.digest, folder]
    const run = () => promisify(execFile)(process.execPath, words)
    const said = await Promise.all([run(), run()])
    expect(said.map(({ stdout }) => stdout)).toEqual(['read\n', 'read\n'])
    expect(registry.requests.toSorted()).toEqual(
      [
        `GET /v2/team/image/manifests/${both.digest}`,
        `GET /v2/team/image/manifests/${made.manifest.digest}`,
        ...[made.config, ...made.layers].map(({ digest }) => `GET /v2/team/image/blobs/${digest}`),
      ].toSorted(),
    )
  } finally {
    await registry.close()
  }
})

test('an image that is in the cache is read while its source is down', async () => {
  const made = image([randomBytes(1000)])
  const both = index({ amd64: made })
  const registry = await startRegistry({ both }, blobsOf(made))
  const options = { cache: openCache(folder), platform: { os: 'linux', architecture: 'amd64' } }
  const from = openSource(parseReference(`${registry.host}/team/image`), {
    settings: { [registry.host]: { insecure: true } },
  })
  const first = await readImage(from, both.digest, options)
  await registry.close()
  expect(await readImage(down, both.digest, { ...options, cache: openCache(folder) })).toEqual(first)
})

test.each<[string, () => void]>([
  ['shorter', () => writeFileSync(pathOf(), bytes.subarray(1))],
  ['longer', () => writeFileSync(pathOf(), Buffer.concat([bytes, Buffer.alloc(1)]))],
  ['another one of the same size', () => writeFileSync(pathOf(), randomBytes(bytes.length))],
  ['gone', () => rmSync(pathOf())],
  [
    'a link to something else',
    () => {
      rmSync(pathOf())
      symlinkSync('/etc/hostname', pathOf())
    },
  ],
])('a cached blob that is %s is fetched again, also by the process that had proven it', async (_, damage) => {
  const cache = openCache(folder)
  await cache.blob(source, one)
  for (const again of [cache, openCache(folder)]) {
    damage()
    expect(readFileSync(await again.blob(source, one)).equals(bytes)).toBe(true)
  }
  expect(asked).toBe(3)
})

test('a failure leaves nothing, and the next attempt is free of it', async () => {
  const cache = openCache(folder)
  const lying: Source = { ...source, name: 'a liar', blob: async () => Readable.from([bytes.subarray(5)]) }
  await expect(cache.blob(lying, one)).rejects.toThrow(
    /Cannot use sha256:[0-9a-f]{64} from a liar: what came has the digest .*; it is damaged there or on the way/,
  )
  expect(files()).toEqual([])
  await cache.blob(source, one)
})

test('who aborts does not take a download from others who wait for it', async () => {
  const gate = Promise.withResolvers<void>()
  const slow: Source = {
    ...source,
    blob: async () => {
      asked += 1
      await gate.promise
      return Readable.from([bytes])
    },
  }
  const cache = openCache(folder)
  const abort = new AbortController()
  const reason = new ProviderError('ABORTED', 'Stopped')
  const first = cache.blob(slow, one, { signal: abort.signal })
  const second = cache.blob(slow, one)
  abort.abort(reason)
  await expect(first).rejects.toBe(reason)
  gate.resolve()
  expect(readFileSync(await second).equals(bytes)).toBe(true)
  expect(asked).toBe(1)
})

test('a download that nobody wants any more ends, with nothing left of it', async () => {
  const made = image([randomBytes(1000)])
  const [layer] = made.layers as [(typeof made.layers)[0]]
  const registry = await startRegistry({}, blobsOf(made))
  try {
    const from = openSource(parseReference(`${registry.host}/team/image`), {
      settings: { [registry.host]: { insecure: true } },
    })
    const aborts = [new AbortController(), new AbortController()]
    const reason = new ProviderError('ABORTED', 'Stopped')
    registry.fault(/blobs/, (answer, request) => {
      stallAfter(layer, 10)(answer, request)
      setImmediate(() => {
        for (const abort of aborts) abort.abort(reason)
      })
    })
    const cache = openCache(folder)
    const both = aborts.map(({ signal }) => cache.blob(from, layer, { signal }))
    for (const one of await Promise.allSettled(both)) expect(one).toEqual({ status: 'rejected', reason })
    expect(files()).toEqual([])
    expect(readFileSync(await cache.blob(from, layer)).equals(layer.bytes)).toBe(true)
  } finally {
    await registry.close()
  }
})

test.each<[string, string, number]>([
  ['a process that is no more', `${2 ** 22 + 1} ${hostname()} x`, 0],
  ['a machine that has not been heard of', '1 elsewhere x', 60],
  ['a writer that was killed', '', 60],
])('a lock of %s is taken over', async (_, content, age) => {
  mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true })
  writeFileSync(`${pathOf()}.lock`, content)
  const then = new Date(Date.now() - age * 1000)
  utimesSync(`${pathOf()}.lock`, then, then)
  await openCache(folder).blob(source, one)
  expect(files()).toEqual([hexOf(one.digest)])
})

test('waiting for a living holder ends when it is aborted', async () => {
  mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true })
  writeFileSync(`${pathOf()}.lock`, `${process.pid} ${hostname()} x`)
  const abort = new AbortController()
  const waiting = openCache(folder).blob(source, one, { signal: abort.signal })
  abort.abort(new ProviderError('ABORTED', 'Stopped'))
  await expect(waiting).rejects.toThrow('Stopped')
  expect(asked).toBe(0)
})

test('what killed processes left is removed after a day', async () => {
  mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true })
  for (const [name, hours] of [
    ['old', 25],
    ['young', 1],
  ] as const) {
    writeFileSync(`${pathOf()}.${name}`, 'half')
    const then = new Date(Date.now() - hours * 3600 * 1000)
    utimesSync(`${pathOf()}.${name}`, then, then)
  }
  await openCache(folder).blob(source, one)
  expect(files()).toEqual([hexOf(one.digest), `${hexOf(one.digest)}.young`])
})

test('a cache that cannot be written says where it is and what to set', async () => {
  writeFileSync(join(folder, 'file'), '')
  await expect(openCache(join(folder, 'file')).blob(source, one)).rejects.toThrow(
    /^Cannot keep an image in ".*": .*; set PGOCI_CACHE to another folder$/,
  )
})

test('files and folders of the cache are for their owner only', async () => {
  const path = await openCache(join(folder, 'new')).blob(source, one)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(join(folder, 'new')).mode & 0o777).toBe(0o700)
})

test('a manifest of more than 4 MiB is refused, also when somebody put it into the cache', async () => {
  const large = blob('x', Buffer.alloc(4 * 1024 ** 2 + 1))
  const from: Source = { ...source, manifest: async () => large.bytes }
  await expect(openCache(folder).manifest(from, large.digest)).rejects.toThrow('more than the announced 4194304 bytes')
  writeFileSync(join(folder, 'blobs', 'sha256', hexOf(large.digest)), large.bytes)
  await expect(openCache(folder).manifest(from, large.digest)).rejects.toThrow('more than the announced')
})

test('what was derived comes back; torn, foreign and outdated files are passed over', async () => {
  const cache = openCache(folder)
  const schema = z.object({ a: z.number() })
  await cache.writeJson('kind', 'key', { a: 1 })
  expect(await cache.readJson('kind', 'key', schema)).toEqual({ a: 1 })
  expect(await cache.readJson('kind', 'other', schema)).toBeUndefined()
  expect(await cache.readJson('kind', 'key', z.object({ b: z.number() }))).toBeUndefined()
  const [name = ''] = readdirSync(join(folder, 'derived', 'kind'))
  const path = join(folder, 'derived', 'kind', name)
  const whole = readFileSync(path)
  chmodSync(path, 0o600)
  const withSum = (text: string) => Buffer.from(`${blob('x', Buffer.from(text)).digest}\n${text}`)
  for (const damaged of [whole.subarray(0, -1), Buffer.from('{"a":1}'), withSum('no JSON'), withSum('{"a":"1"}')]) {
    writeFileSync(path, damaged)
    expect(await cache.readJson('kind', 'key', schema)).toBeUndefined()
  }
})
