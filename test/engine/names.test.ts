import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Names, resolveName } from '../../src/engine/names.ts'
import { readRepository } from '../../src/engine/repository.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import { tagLists } from '../../src/oci/tag-lists.ts'
import type { Target } from '../../src/postgres/offer.ts'
import { startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { repositoryOf } from '../support/registry/store.ts'
import { imageOf, publish, smallExtension } from '../support/small-images.ts'

const folder = temporaryFolder()
const platform = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`
const target: Target = { major: 18, postgresVersion: '18.4', os: 'trixie', platform }
const all = Array.from({ length: 200 }, (_, at) => `ext${at}`)
const image = imageOf(smallExtension('x', '1.0'))
let registry: TestRegistry

beforeAll(async () => {
  registry = await startRegistry({}, [], { pageSize: 1000 })
  publish(registry, { repository: 'ext/all', tag: 'latest' }, image)
  const shared = repositoryOf(registry.repositories, 'ext/all').tags
  // 5,000 tags in all: 25 of each name.
  for (const name of all)
    for (let at = 0; at < 25; at += 1) shared.set(`${name}-1.${at}-pg${17 + (at % 2)}-trixie`, image.manifest.digest)
  for (const name of all.slice(0, 20)) {
    publish(registry, { repository: `ext/${name}`, tag: 'latest' }, image)
    const { tags } = repositoryOf(registry.repositories, `ext/${name}`)
    for (let at = 0; at < 5000; at += 1) tags.set(`1.${at}-pg${17 + (at % 2)}-trixie`, image.manifest.digest)
  }
})
afterAll(() => registry.close())

/** As a process of its own has it, on a cache that several may share. */
function processOn(cacheFolder: string): Names {
  const environment = { settings: { [registry.host]: { insecure: true } } }
  const cache = openCache(join(folder, cacheFolder))
  const lists = tagLists(cache)
  const open: Names['open'] = (reference) => openSource(reference, environment)
  return { open, cache, list: (reference, options) => lists(open(reference), options) }
}

async function resolveAll(template: string, wanted: readonly string[], names: Names) {
  const before = registry.requests.length
  const repository = await readRepository(`${registry.host}/${template}`)
  const found = await Promise.all(wanted.map((name) => resolveName(repository, { name }, { target, names })))
  const requests = registry.requests.slice(before)
  return { found, lists: requests.filter((line) => line.includes('/tags/list')).length, requests: requests.length }
}

test('200 names in a repository of 5,000 tags: one list, and no more than three requests for each image', async () => {
  const template = 'ext/all:{name}-{version}-pg{major}-{os}'
  const { found, lists, requests } = await resolveAll(template, all, processOn('shared'))
  expect(new Set(found.map(({ version }) => version))).toEqual(new Set(['1.23']))
  expect(found[0]?.newer).toEqual(['1.24: for Postgres 17 only'])
  expect(lists).toBe(6)
  // Each tag's digest; and the manifest and the config, which they share here.
  expect(requests - lists).toBeLessThanOrEqual(200 + 2)
  expect((await resolveAll(template, all, processOn('shared'))).lists).toBe(0)
})

test('names in repositories of 5,000 tags each: five or six pages each, once', async () => {
  const template = 'ext/{name}:{version}-pg{major}-{os}'
  const wanted = all.slice(0, 20)
  expect(await resolveAll(template, wanted, processOn('each'))).toMatchObject({ lists: 6 * wanted.length })
  expect(await resolveAll(template, [...wanted, ...wanted], processOn('each'))).toMatchObject({ lists: 0 })
})

test('a version in full is asked for by its tag, without a list', async () => {
  const repository = await readRepository(`${registry.host}/ext/{name}:{version}-pg{major}-{os}`)
  const before = registry.requests.length
  const found = await resolveName(repository, { name: 'ext0', version: '1.17' }, { target, names: processOn('direct') })
  expect(found).toMatchObject({ version: '1.17', digest: image.manifest.digest, newer: [] })
  expect(registry.requests.length - before).toBe(1)
})

test('what was pushed after another process listed is found', async () => {
  const template = `${registry.host}/ext/late:{name}-{version}`
  publish(registry, { repository: 'ext/late', tag: 'a-1.0' }, image)
  const repository = await readRepository(template)
  const named = (name: string, version?: string) =>
    resolveName(repository, { name, version }, { target, names: processOn('late') })
  expect(await named('a')).toMatchObject({ version: '1.0' })
  publish(registry, { repository: 'ext/late', tag: 'a-1.1' }, image)
  publish(registry, { repository: 'ext/late', tag: 'b-2.0' }, image)
  expect(await named('a'), 'listed some moments ago').toMatchObject({ version: '1.0' })
  expect(await named('b')).toMatchObject({ version: '2.0' })
  expect(await named('a', '1.1.0')).toMatchObject({ version: '1.1' })
})
