import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import { tagLists } from '../../src/oci/tag-lists.ts'
import { send, startRegistry, status, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { blobsOf, image } from '../support/layout.ts'
import { file, tar } from '../support/tar.ts'

const folder = temporaryFolder()
const made = image([tar(file('a', 'a'))])
const open: TestRegistry[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const one of open.splice(0)) await one.close()
})

async function start(count: number, options: Parameters<typeof startRegistry>[2] = {}) {
  const tags = Object.fromEntries(Array.from({ length: count }, (_, at) => [`1.${at}`, made.manifest]))
  const registry = await startRegistry(tags, blobsOf(made), options)
  open.push(registry)
  const environment = { settings: { [registry.host]: { insecure: true } }, network: { wait: async () => {} } }
  const source = (name = 'team/image') => openSource(parseReference(`${registry.host}/${name}`), environment)
  const lists = () => registry.requests.filter((line) => line.includes('/tags/list')).length
  return { registry, source, lists }
}

test.each([
  [100, 50],
  [5000, 5],
])('5,000 tags come in pages of what the registry gives: %i at once, %i requests', async (pageSize, requests) => {
  const { source, lists } = await start(5000, { pageSize })
  expect(new Set(await source().tags()).size).toBe(5000)
  expect(lists()).toBe(requests)
})

test('a list is asked for once, whoever wants it, and by the next process only when it is old or must be new', async () => {
  const { registry, source, lists } = await start(3)
  const cache = openCache(join(folder, 'cache'))
  const list = tagLists(cache)
  const all = await Promise.all(Array.from({ length: 200 }, () => list(source())))
  expect(all.every(({ tags, isNew }) => tags.length === 3 && isNew)).toBe(true)
  expect(lists()).toBe(1)
  const next = tagLists(cache)
  registry.repositories.get('team/image')?.tags.set('2.0', made.manifest.digest)
  expect(await next(source())).toMatchObject({ tags: { length: 3 }, isNew: false })
  expect(await next(source(), { isNew: true })).toMatchObject({ tags: { length: 4 }, isNew: true })
  expect((await next(source())).tags).toHaveLength(4)
  expect(lists()).toBe(2)
  vi.useFakeTimers({ now: Date.now() + 11 * 60_000, toFake: ['Date'] })
  expect(await tagLists(cache)(source())).toMatchObject({ isNew: true })
  expect(lists()).toBe(3)
})

test('a registry that sends the same page for ever is believed once', async () => {
  const { registry, source, lists } = await start(1)
  const page = send(Buffer.from('{"name":"team/image","tags":["1.0"]}'), {
    link: '</v2/team/image/tags/list?last=1>; rel="next"',
  })
  registry.fault(/tags\/list/, ...Array(9).fill(page))
  expect(await source().tags()).toEqual(['1.0'])
  expect(lists()).toBe(2)
})

test('a registry without an end is an error', async () => {
  const { registry, source } = await start(1)
  let sent = 0
  registry.fault(
    /tags\/list/,
    ...Array(600).fill((answer: Parameters<ReturnType<typeof send>>[0]) => {
      sent += 1
      const body = JSON.stringify({ name: 'team/image', tags: [`1.${sent}`] })
      answer.writeHead(200, { link: `</v2/team/image/tags/list?last=${sent}>; rel="next"` }).end(body)
    }),
  )
  await expect(source().tags()).rejects.toThrow('there are more than 500 pages')
  expect(sent).toBe(501)
})

test('the next page is not asked of another origin, and a failure is tried again', async () => {
  const { registry, source, lists } = await start(1)
  registry.fault(
    /tags\/list/,
    status(503),
    send(Buffer.from('{"tags":["1.0"]}'), { link: '<http://127.0.0.1:1/x>; rel="next"' }),
  )
  expect(await source().tags()).toEqual(['1.0'])
  expect(lists()).toBe(2)
})

test.each(['{"tags":null}', '{}'])('a repository without tags says %s', async (body) => {
  const { registry, source } = await start(1)
  registry.fault(/tags\/list/, send(Buffer.from(body)))
  expect(await source().tags()).toEqual([])
})

test('a repository that is not there is NOT_FOUND', async () => {
  const { source } = await start(1)
  await expect(source('team/other').tags()).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
