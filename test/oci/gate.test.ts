import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import type { Network } from '../../src/oci/network.ts'
import { registrySource } from '../../src/oci/registry.ts'
import type { Source } from '../../src/oci/source.ts'
import { startRegistry, status, type TestRegistry } from '../support/fault-registry.ts'
import { blobsOf, image } from '../support/layout.ts'
import { end } from '../support/tar.ts'

const made = image([end])
let registry: TestRegistry
let lines: string[]
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  registry = await startRegistry({ one: made.manifest }, blobsOf(made))
  lines = []
})
afterEach(async () => {
  vi.useRealTimers()
  await registry.close()
})

/** Waits until the test lets time pass. */
function clock() {
  const waiting: { milliseconds: number; resolve: () => void }[] = []
  const wait: Network['wait'] = (milliseconds, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    signal?.addEventListener('abort', () => reject(signal.reason))
    waiting.push({ milliseconds, resolve })
    return promise
  }
  const pass = () => {
    vi.advanceTimersByTime(Math.max(0, ...waiting.map(({ milliseconds }) => milliseconds)))
    for (const one of waiting.splice(0)) one.resolve()
  }
  return { waiting, wait, pass }
}

function sourceOf(wait: Network['wait'] & {}): Source {
  const reference = { transport: 'registry' as const, registry: registry.host, repository: 'team/image' }
  const log = (line: string) => void lines.push(line)
  return registrySource(reference, { setting: { insecure: true }, log, network: { wait } })
}

test('nobody asks a host before the time that it asked for is over, and that is told once', async () => {
  const { waiting, wait, pass } = clock()
  registry.fault(/HEAD/, status(429, { 'retry-after': '30' }))
  const first = sourceOf(wait).resolve('one')
  await vi.waitUntil(() => waiting.length === 1)
  const others = [sourceOf(wait).resolve('one'), sourceOf(wait).resolve('one')]
  await vi.waitUntil(() => waiting.length === 3)
  expect(waiting.map(({ milliseconds }) => Math.ceil(milliseconds / 1000))).toEqual([30, 30, 30])
  expect(registry.requests).toHaveLength(1)
  expect(lines).toEqual([`Waiting 30 s, which ${registry.host} asks for by its answer 429`])
  pass()
  await Promise.all([first, ...others])
  expect(registry.requests).toHaveLength(4)
  expect(lines).toHaveLength(1)
})

test('who is aborted while a host is left alone stops waiting', async () => {
  const { waiting, wait } = clock()
  registry.fault(/HEAD/, status(503, { 'retry-after': '30' }))
  const abort = new AbortController()
  const run = sourceOf(wait).resolve('one', { signal: abort.signal })
  await vi.waitUntil(() => waiting.length === 1)
  abort.abort(new ProviderError('ABORTED', 'Stopped'))
  await expect(run).rejects.toThrow('Stopped')
})

test('a host that asks again while others wait is left alone for longer', async () => {
  const { waiting, wait, pass } = clock()
  registry.fault(/HEAD/, status(429, { 'retry-after': '3' }), status(429, { 'retry-after': '4' }))
  const run = sourceOf(wait).resolve('one')
  await vi.waitUntil(() => waiting.length === 1)
  pass()
  await vi.waitUntil(() => waiting.length === 1)
  expect(waiting[0]?.milliseconds).toBe(4000)
  pass()
  expect((await run).digest).toBe(made.manifest.digest)
  expect(lines).toEqual([])
})

test('who waits, waits for longer when another answer asks for it meanwhile', async () => {
  const { waiting, wait, pass } = clock()
  const late = Promise.withResolvers<() => void>()
  registry.fault(/HEAD/, (...both) => late.resolve(() => status(429, { 'retry-after': '9' })(...both)))
  const slow = sourceOf(wait).resolve('one')
  const answer = await late.promise
  registry.fault(/HEAD/, status(429, { 'retry-after': '3' }))
  const quick = sourceOf(wait).resolve('one')
  await vi.waitUntil(() => waiting.length === 1)
  answer()
  await vi.waitUntil(() => waiting.length === 2)
  waiting[0]?.resolve()
  await vi.waitUntil(() => waiting.length === 3)
  expect(registry.requests).toHaveLength(2)
  expect(Math.ceil((waiting[2]?.milliseconds ?? 0) / 1000)).toBe(9)
  pass()
  await Promise.all([slow, quick])
})

test('a rate limit is told with what is left of it, and with the advice to log in', async () => {
  const limited = status(429, { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' })
  registry.fault(/blobs/, limited, limited, limited, limited)
  const blob = await sourceOf(async () => {}).blob(made.config)
  await expect(blob.toArray()).rejects.toThrow(
    `Cannot read "${made.config.digest}" from ${registry.host}/team/image: the registry answered 429 (0 of 100 requests in 6 h are left); it allows no more requests now, run it again later, or log in, which may allow more`,
  )
})

test('what a registry warns of is told once for each text, and drawn on no terminal', async () => {
  const warnings = { warning: '299 - "gone in \\"May\\"", 299 - "clear\u009b2J", 199 - "other", 299 x "other"' }
  const headers = { 'docker-content-digest': made.manifest.digest }
  registry.fault(/HEAD/, status(200, { ...headers, ...warnings }), status(200, { ...headers, ...warnings }))
  const source = sourceOf(async () => {})
  await source.resolve('one')
  await source.resolve('one')
  expect(lines).toEqual([
    `The registry ${registry.host} warns: gone in "May"`,
    `The registry ${registry.host} warns: clear\\x9b2J`,
  ])
})
