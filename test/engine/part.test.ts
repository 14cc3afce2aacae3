import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { loadDistribution } from '../../src/engine/distribution.ts'
import { loadExtension } from '../../src/engine/extension.ts'
import { included, includeSchema, type Part } from '../../src/engine/part.ts'
import { parseDigest } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import { temporaryFolder } from '../support/folder.ts'
import { distributionFiles, extensionFiles, type Layer, writeLayout } from '../support/postgres-images.ts'
import { treeFrom } from '../support/trees.ts'

const folder = temporaryFolder()
const layout = join(folder, 'images')
const base: readonly Layer[] = [distributionFiles(), new Map([['docker-entrypoint.sh', Buffer.from('#!/bin/sh\n')]])]
/** What a package manager leaves behind. */
const books = new Map(
  ['var/lib/dpkg/status', 'etc/ld.so.cache', 'etc/passwd', 'lib/apk/db/installed', 'etc/apk/world'].map((path) => [
    path,
    Buffer.from('books'),
  ]),
)
let digests: Map<string, string>

beforeAll(async () => {
  digests = await writeLayout(layout, [
    { tag: 'base', files: base },
    { tag: 'derived', files: [...base, extensionFiles('hstore'), new Map([...books, ...extensionFiles('cube')])] },
    { tag: 'of-another', files: [distributionFiles(), extensionFiles('hstore')] },
    { tag: 'hstore', files: extensionFiles('hstore') },
  ])
})

const request = (tag: string, part: Part = {}) => {
  const reference = parseReference(`oci:${layout}:${tag}`)
  return {
    ...{ source: openSource(reference, {}), reference, digest: parseDigest(digests.get(tag) ?? ''), part },
    ...{ platform: `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`, cache: openCache(join(folder, 'cache')) },
  }
}

const layersOf = async (tag: string) => (await loadDistribution(request(tag), '/store')).image.server?.layers

const filesOf = async (tag: string, part: Part = {}, under: readonly string[] = []) => {
  const { member, ...rest } = await loadExtension(request(tag, part), under)
  const files = [...member.tree].flatMap(([path, { kind }]) => (kind === 'directory' ? [] : [path]))
  return { files, ...rest }
}

describe('An image that was built on that of its distribution', () => {
  test('brings what it adds, without the books of who installed it', async () => {
    const under = await layersOf('base')
    expect(under).toHaveLength(2)
    const { files, facts, part, image } = await filesOf('derived', {}, under)
    expect(part).toEqual({ baseLayers: 2 })
    expect(Object.keys(facts.provides).sort()).toEqual(['cube', 'hstore'])
    expect(image.binaries.map(({ path }) => path)).toEqual(['live/lib/cube.so', 'live/lib/hstore.so'])
    expect(files.filter((path) => !path.startsWith('live/'))).toEqual([])
  })

  test('is read again by the number of its layers alone', async () => {
    const first = await loadExtension(request('derived'), await layersOf('base'))
    const again = await loadExtension(request('derived', first.part))
    expect(again.member.treeDigest).toBe(first.member.treeDigest)
    expect(again.part).toEqual(first.part)
  })

  test('is refused for another distribution, and as long as none is known', async () => {
    for (const under of [await layersOf('base'), [], undefined])
      await expect(loadExtension(request('of-another'), under)).rejects.toThrow(/whole Postgres.*name the extension's/)
    await expect(loadExtension(request('base'), await layersOf('base'))).rejects.toThrow(/whole Postgres/)
  })

  test('any other image is taken whole', async () => {
    const { part, facts } = await filesOf('hstore', {}, await layersOf('base'))
    expect([part, Object.keys(facts.provides)]).toEqual([{}, ['hstore']])
  })
})

describe('include', () => {
  test('takes some files of a whole Postgres', async () => {
    const include = ['lib/postgresql/hstore*', '/share/postgresql/extension/hstore*']
    const { files, facts, part, image } = await filesOf('of-another', { include })
    expect(part).toEqual({ include })
    expect(Object.keys(facts.provides)).toEqual(['hstore'])
    expect(image.binaries.map(({ path }) => path)).toEqual(['live/lib/hstore.so'])
    expect(files.every((path) => /^live\/(?:lib|share\/extension)\/hstore/.test(path))).toBe(true)
    const whole = await loadExtension(request('of-another', { include: ['**'] }))
    expect(whole.image.binaries.length, 'facts of another part are others').toBeGreaterThan(1)
  })

  test('a glob that names nothing is refused', async () => {
    await expect(loadExtension(request('of-another', { include: ['lib/postgresql/hstroe*'] }))).rejects.toThrow(
      /no file that include's "lib\/postgresql\/hstroe\*" matches/,
    )
  })

  const tree = treeFrom('usr/lib/postgis-3.so', 'usr/lib/deep/libgeos.so.3', 'usr/lib/a+b.so', 'a/b -> c', 'top.so')
  test.each([
    ['usr/lib/*', ['usr/lib/postgis-3.so', 'usr/lib/a+b.so']],
    ['usr/lib/**', ['usr/lib/postgis-3.so', 'usr/lib/deep/libgeos.so.3', 'usr/lib/a+b.so']],
    ['**/*.so*', ['usr/lib/postgis-3.so', 'usr/lib/deep/libgeos.so.3', 'usr/lib/a+b.so', 'top.so']],
    ['./usr/**/libgeos.so.?', ['usr/lib/deep/libgeos.so.3']],
    ['usr/lib/a+b.so', ['usr/lib/a+b.so']],
    ['a/*', ['a/b']],
    ['*', ['top.so']],
  ])('%s', (glob, paths) => {
    expect([...included(tree, [glob], 'image')].sort()).toEqual(paths.sort())
  })

  test.each([
    ...['usr/{lib,share}/x', '!usr', 'usr/[a]', '+(a|b)', 'a\\b', '', 'x'.repeat(256), '*a*b*c*d*e*'].map((one) => [
      [one],
    ]),
    [[]],
    [Array.from({ length: 101 }, (_, index) => `usr/${index}`)],
  ])('%j is no list of globs', (globs) => {
    expect(includeSchema.safeParse(globs).success).toBe(false)
  })
})
