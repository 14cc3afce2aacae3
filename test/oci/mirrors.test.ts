import { describe, expect, test } from 'vitest'
import { type KnownMirrors, placesOf } from '../../src/oci/mirrors.ts'
import { parseRegistriesConf } from '../../src/oci/registries-conf.ts'
import { registryReference } from '../support/user-files.ts'

const digest = `sha256:${'a'.repeat(64)}`
const places = (image: string, known: { conf?: string; configured?: KnownMirrors['configured'] }) => {
  const { tables } = parseRegistriesConf(known.conf ?? '', '/etc/containers/registries.conf')
  const { origin, mirrors } = placesOf(registryReference(image), { tables, configured: known.configured })
  return [...mirrors, { ...origin, pull: 'origin' }].map(
    ({ reference, insecure, pull }) =>
      `${pull} ${reference.registry}/${reference.repository}${insecure ? ' insecure' : ''}`,
  )
}

describe("the stack's mirrors", () => {
  test.each<[string, string, string, string]>([
    ['a host', 'postgres:17', 'm.test', 'm.test/library/postgres'],
    ['a host and port', 'acme/pg:17', 'm.test:5000', 'm.test:5000/acme/pg'],
    [
      "Harbor's proxy-cache project",
      'postgres:17',
      'harbor.example.com/proxy-hub',
      'harbor.example.com/proxy-hub/library/postgres',
    ],
    [
      "Artifactory's remote repository",
      'ghcr.io/acme/pgvector:1',
      'a.test/docker/ghcr',
      'a.test/docker/ghcr/acme/pgvector',
    ],
    ['a mirror on this machine', 'quay.io/a/b:1', 'localhost/q', 'localhost/q/a/b'],
  ])('%s stands before the repository', (_, image, mirror, expected) => {
    expect(places(image, { configured: [mirror] })[0]).toBe(`digest-only ${expected}`)
  })

  test('are asked in their order, by digest only, and take the place of those of registries.conf', () => {
    const conf = '[[registry]]\nlocation = "a.test"\n[[registry.mirror]]\nlocation = "file.test"'
    expect(places('a.test/x', { conf, configured: ['m.test', 'n.test/p'] })).toEqual([
      'digest-only m.test/x',
      'digest-only n.test/p/x',
      'origin a.test/x',
    ])
    expect(places('a.test/x', { conf, configured: [] })).toEqual(['origin a.test/x'])
  })

  test('that are no place are refused, and never taken for a repository of Docker Hub', () => {
    expect(() => places('a.test/x', { configured: ['mirror/p'] })).toThrow(
      'Cannot use the mirror "mirror/p" in postgres-oci:registries: "mirror/p/x" is no image of a registry; expected host[:port][/path]',
    )
  })
})

describe('registries.conf', () => {
  test('a location takes the place of the prefix; its mirrors come before it, in order', () => {
    const conf = `
      [[registry]]
      prefix = "a.test/foo"
      location = "internal.test:5000/bar"
      insecure = true
      [[registry.mirror]]
      location = "m.test"
      insecure = true
      pull-from-mirror = "digest-only"
      [[registry.mirror]]
      location = "n.test/p"
      pull-from-mirror = "tag-only"
      [[registry.mirror]]
      location = "o.test"`
    for (const image of ['a.test/foo/pg:17', `a.test/foo/pg@${digest}`, 'a.test/foo/pg'])
      expect(places(image, { conf })).toEqual([
        'digest-only m.test/pg insecure',
        'tag-only n.test/p/pg',
        'all o.test/pg',
        'origin internal.test:5000/bar/pg insecure',
      ])
    expect(places('a.test/food/pg', { conf })).toEqual(['origin a.test/food/pg'])
  })

  test('the longest prefix wins, whatever the order', () => {
    const table = (prefix: string, location: string) => `[[registry]]\nprefix = "${prefix}"\nlocation = "${location}"\n`
    const tables = [table('a.test', '1.test'), table('a.test/x/y', '3.test'), table('a.test/x', '2.test')]
    for (const conf of [tables.join(''), tables.toReversed().join('')]) {
      expect(places('a.test/x/y/z', { conf })).toEqual(['origin 3.test/z'])
      expect(places('a.test/x/z', { conf })).toEqual(['origin 2.test/z'])
      expect(places('a.test/z', { conf })).toEqual(['origin 1.test/z'])
    }
  })

  test('a mirror of a whole repository gets its name, tag or none', () => {
    const conf = '[[registry]]\nlocation = "docker.io/library/postgres"\n[[registry.mirror]]\nlocation = "m.test/pg"'
    for (const image of ['postgres', 'postgres:17', `postgres@${digest}`])
      expect(places(image, { conf })).toEqual(['all m.test/pg', 'origin docker.io/library/postgres'])
  })

  test('a wildcard has a table for all hosts below; without a location they stay where they are', () => {
    const conf = '[[registry]]\nprefix = "*.a.test"\ninsecure = true\n[[registry.mirror]]\nlocation = "m.test/p"'
    expect(places('b.c.a.test/x', { conf })).toEqual(['all m.test/p/x', 'origin b.c.a.test/x insecure'])
    expect(places('a.test/x', { conf })).toEqual(['origin a.test/x'])
  })

  test.each([
    ['a.test', 'a.test/x:17'],
    ['*.test', 'a.test/x:17'],
    ['a.test/x:17', 'a.test/x:17'],
    [`a.test/x@${digest}`, `a.test/x:17@${digest}`],
  ])('what %s blocks is not read, mirrors or none', (prefix, image) => {
    const conf = `[[registry]]\nprefix = "${prefix}"\nlocation = "l.test"\nblocked = true\n[[registry.mirror]]\nlocation = "m.test"`
    expect(() => places(image, { conf, configured: ['n.test'] })).toThrow(
      `Cannot read a.test/x: "/etc/containers/registries.conf" blocks "${prefix}"; use another registry, or change that file`,
    )
    expect(places('b.example/x', { conf })).toEqual(['origin b.example/x'])
  })

  test('a mirror that stands for many registries, told apart by a query, is not asked: it could mean another image', () => {
    const conf =
      '[[registry]]\nlocation = "a.test"\n[[registry.mirror]]\nlocation = "m.test"\nnamespace-proxy = "a.test"'
    expect(places('a.test/x', { conf })).toEqual(['origin a.test/x'])
  })

  test.each(['mirror', 'UPPER.test/X', 'a.test/../b', 'user@a.test', 'a.test/x?y', '/etc'])(
    'the location %j is refused',
    (location) => {
      const conf = `[[registry]]\nprefix = "a.test"\nlocation = "${location}"`
      expect(() => places('a.test/x', { conf })).toThrow('is no image of a registry; expected host[:port][/path]')
    },
  )
})
