import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { placesOf } from '../../src/oci/mirrors.ts'
import { parseRegistriesConf, restAfter, tableFor } from '../../src/oci/registries-conf.ts'
import { readRegistriesConf } from '../../src/oci/registries-files.ts'
import { goModule } from '../support/go-module.ts'
import { testWith } from '../support/needs.ts'
import { registryReference, userFiles } from '../support/user-files.ts'

const files = userFiles()
const conf = (prefix: string, more = '') => `[[registry]]\nprefix = "${prefix}"\nlocation = "l.test"\n${more}`
const prefixes = () => readRegistriesConf(files.environment).tables.map((table) => `${table.prefix} ${table.blocked}`)

describe('which files are read (containers-registries.conf.5)', () => {
  test('none is needed', () => {
    expect(prefixes()).toEqual([])
  })

  test("the user's file, else the machine's, else the distribution's", () => {
    files.write('usr/share/containers/registries.conf', conf('distribution.test'))
    expect(prefixes()).toEqual(['distribution.test false'])
    files.write('etc/containers/registries.conf', conf('machine.test'))
    expect(prefixes()).toEqual(['machine.test false'])
    files.write('home/.config/containers/registries.conf', conf('user.test'))
    expect(prefixes()).toEqual(['user.test false'])
    files.environment.env['XDG_CONFIG_HOME'] = join(files.folder, 'config')
    expect(prefixes()).toEqual(['machine.test false'])
    files.write('config/containers/registries.conf', conf('config.test'))
    expect(prefixes()).toEqual(['config.test false'])
  })

  test("drop-ins by the order of their names, whatever their folder; the user's hides the machine's of the same name", () => {
    files.write('etc/containers/registries.conf', conf('a.test') + conf('b.test'))
    files.write('etc/containers/registries.conf.d/2.conf', conf('a.test', 'blocked = true'))
    files.write('usr/share/containers/registries.conf.d/1.conf', conf('a.test') + conf('c.test'))
    files.write('etc/containers/registries.conf.d/3.conf', conf('hidden.test'))
    files.write('home/.config/containers/registries.conf.d/3.conf', conf('d.test'))
    files.write('home/.config/containers/registries.conf.d/4.ignore', conf('ignored.test'))
    mkdirSync(join(files.folder, 'etc/containers/registries.conf.d/5.conf'))
    expect(prefixes()).toEqual(['a.test true', 'b.test false', 'c.test false', 'd.test false'])
  })

  test('CONTAINERS_REGISTRIES_CONF names the only one, and it must be there; an override is read last', () => {
    files.write('etc/containers/registries.conf', conf('machine.test'))
    files.write('etc/containers/registries.conf.d/1.conf', conf('drop-in.test'))
    const { env } = files.environment
    env['CONTAINERS_REGISTRIES_CONF_OVERRIDE'] = files.write('override.conf', conf('machine.test', 'blocked = true'))
    expect(prefixes()).toEqual(['machine.test true', 'drop-in.test false'])
    env['CONTAINERS_REGISTRIES_CONF'] = files.write('named.conf', conf('named.test'))
    expect(prefixes()).toEqual(['named.test false', 'machine.test true'])
    env['CONTAINERS_REGISTRIES_CONF'] = join(files.folder, 'none.conf')
    expect(prefixes).toThrow(`Cannot use "${join(files.folder, 'none.conf')}": there is no such file`)
  })

  test('what is no file is refused', () => {
    const path = join(files.folder, 'etc/containers/registries.conf')
    mkdirSync(path, { recursive: true })
    expect(prefixes).toThrow(`Cannot use "${path}": it is no file`)
  })
})

test.each<[string, string, string]>([
  ['no TOML', 'a = 1\nb =\n', 'line 2 is no TOML'],
  ['version 1', '[registries.search]\nregistries = ["a.test"]', 'registries is of version 1 of this format'],
  ['an empty version 1', '[registries.block]', 'registries is of version 1 of this format'],
  ['both versions', `${conf('a.test')}[registries.search]\nregistries = []`, 'registries is of version 1'],
  ['a table that is none', 'registry = "a.test"', 'registry Invalid input: expected array'],
  ['no location', '[[registry]]\nprefix = "a.test"', 'registry.0.location is missing'],
  ['neither prefix nor location', '[[registry]]\nblocked = true', 'registry.0.location is missing'],
  ['a scheme in a prefix', conf('http://a.test'), 'registry.0.prefix has a scheme; write host[:port][/path]'],
  ['a scheme in a location', '[[registry]]\nlocation = "https://a.test"', 'registry.0.location has a scheme'],
  ['a wildcard with a path', conf('*.a.test/b'), 'registry.0.prefix has more than *.host'],
  ['a wildcard with a port', conf('*.a.test:5000'), 'registry.0.prefix has more than *.host'],
  ['a mirror without location', conf('a.test', '[[registry.mirror]]'), 'registry.0.mirror.0.location'],
  ['a flag that is text', conf('a.test', 'blocked = "yes"'), 'registry.0.blocked Invalid input: expected boolean'],
  ['a use of a registry', conf('a.test', 'pull-from-mirror = "all"'), 'registry.0.pull-from-mirror is for mirrors'],
  [
    'a use that nobody knows',
    conf('a.test', '[[registry.mirror]]\nlocation = "m.test"\npull-from-mirror = "some"'),
    'registry.0.mirror.0.pull-from-mirror is not all, digest-only or tag-only',
  ],
  [
    'two words on one mirror',
    conf('a.test', 'mirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.test"\npull-from-mirror = "all"'),
    'registry.0.mirror-by-digest-only contradicts a pull-from-mirror',
  ],
  [
    'a place blocked and not',
    conf('a.test') + conf('b.test', 'blocked = true'),
    'tables of "l.test" contradict each other',
  ],
  ['a place insecure and not', conf('a.test') + conf('b.test', 'insecure = true'), 'tables of "l.test" contradict'],
  ['a bomb', 'a = '.padEnd(100_000, '['), 'line 1 is no TOML'],
])('%s is an error that names the file', (_, text, why) => {
  const parse = () => parseRegistriesConf(text, '/etc/containers/registries.conf')
  expect(parse).toThrow(`Cannot use "/etc/containers/registries.conf": ${why}`)
  expect(parse).toThrow(/; correct it, or move it away$/)
})

test.each<[string, string, string | undefined]>([
  ['a.test', 'a.test/x', '/x'],
  ['a.test', 'a.tests/x', undefined],
  ['a.test', 'aa.test/x', undefined],
  ['a.test', 'a.test:5000/x', undefined],
  ['a.test:5000', 'a.test:5000/x', '/x'],
  ['a.test:5000', 'a.test:50000/x', undefined],
  ['a.test/x', 'a.test/x:17', ':17'],
  ['a.test/x', 'a.test/xy', undefined],
  ['a.test/x', 'a.test/x/y', '/y'],
  ['a.test/x:17', 'a.test/x:17', ''],
  ['a.test/x:17', 'a.test/x:171', undefined],
  ['*.test', 'a.test/x', '/x'],
  ['*.test', 'test/x', undefined],
  ['*.a.test', 'a.test/x', undefined],
  ['*.a.test', 'b.a.test:5000/x:17', ':5000/x:17'],
  ['*.a.test', 'c.b.a.test/x', '/x'],
  ['*.a.test', 'evil.test/b.a.test/x', undefined],
  ['*.a.test', 'b.a.test.evil.test/x', undefined],
  ['*', 'a.test/x', undefined],
  ['**.a.test', 'b.a.test/x', undefined],
])('after the prefix %s, %s has %j', (prefix, name, rest) => {
  expect(restAfter(prefix, name)).toBe(rest)
})

const testdata = (...path: string[]) => join(goModule('image'), 'pkg/sysregistriesv2/testdata', ...path)
const parseFixture = (name: string) => parseRegistriesConf(readFileSync(testdata(name), 'utf8'), name)

/** What containers/image v5.42.0 refuses (system_registries_v2_test.go), but for what it says of short names. */
const refused: Record<string, string> = {
  'blocked-conflicts.conf': 'contradict each other',
  'insecure-conflicts.conf': 'contradict each other',
  'invalid-config-level-mirror.conf': 'is for mirrors',
  'invalid-conflict-mirror.conf': 'contradicts a pull-from-mirror',
  'invalid-prefix.conf': 'has a scheme',
  'invalid-value-mirror.conf': 'is not all, digest-only or tag-only',
  'missing-mirror-location.conf': 'registry.1.mirror.1.location',
  'mixing-v1-v2.conf': 'version 1',
  'mixing-v1-v2-empty.conf': 'version 1',
  'try-update-cache-invalid.conf': 'is no TOML',
  'v1-compatibility.conf': 'version 1',
  'v1-invalid-block.conf': 'version 1',
  'v1-invalid-insecure.conf': 'version 1',
  'v1-invalid-search.conf': 'version 1',
}
testWith('go')("every registries.conf of containers/image's tests is read, or refused, as it is there", async () => {
  const names = readdirSync(testdata()).filter((name) => name.endsWith('.conf'))
  expect(names.length).toBeGreaterThan(25)
  for (const name of names) {
    const why = refused[name]
    if (why === undefined) expect(parseFixture(name).tables, name).toBeInstanceOf(Array)
    else expect(() => parseFixture(name), name).toThrow(why)
  }
  expect(parseFixture('unmarshal.conf').tables).toHaveLength(4)
})

/** TestFindRegistry of containers/image, with the drop-ins of its folder. */
const found: [string, string | undefined, string | undefined][] = [
  ['simple-prefix.com/foo/bar:latest', 'simple-prefix.com', 'registry.com:5000'],
  ['not.so.simple-prefix.com/x', '*.so.simple-prefix.com', 'subdomain-prefix.com'],
  ['not.quite.simple-prefix.com/x', '*.simple-prefix.com', 'subdomain-prefix-2.com'],
  ['not.quite.simple-prefix.com:5000/with/path/and/beyond:tag', '*.simple-prefix.com', 'subdomain-prefix-2.com'],
  [
    'really.not.quite.simple-prefix.com:5000/x:tag',
    '*.not.quite.simple-prefix.com',
    'subdomain-prefix-1-overridden-by-dropin-location.com',
  ],
  ['foo.docker.io:5000/omg/wtf/bbq:foo', '*.docker.io', 'subdomain-prefix-2.com'],
  [
    `foo.bar.example.com:6000/x@sha256:${'a'.repeat(64)}`,
    '*.bar.example.com',
    'subdomain-prefix-3-overridden-by-dropin-location.com',
  ],
  ['foo.bar.docker.io:5000/omg/wtf/bbq:foo', '*.bar.docker.io', 'subdomain-prefix-4.com'],
  ['foo.bar.example.com:5000/omg/wtf/bbq:foo', 'foo.bar.example.com:5000', 'subdomain-prefix-5.com'],
  ['simple-prefix.comx/x', undefined, undefined],
  [
    'complex-prefix.com:4000/with/path/and/beyond:tag',
    'complex-prefix.com:4000/with/path',
    'another-registry.com:5000',
  ],
  ['no-prefix.com/foo:tag', 'no-prefix.com', 'no-prefix.com'],
  ['empty-prefix.com/foo:tag', 'empty-prefix.com', 'empty-prefix.com'],
]
testWith('go')("images find the tables that they find in containers/image's tests", async () => {
  const folder = join(files.folder, 'etc/containers/registries.conf.d')
  mkdirSync(folder, { recursive: true })
  copyFileSync(testdata('find-registry.conf'), join(files.folder, 'etc/containers/registries.conf'))
  for (const name of readdirSync(testdata('registries.conf.d')))
    copyFileSync(testdata('registries.conf.d', name), join(folder, name))
  const { tables, helpers } = readRegistriesConf(files.environment)
  expect(helpers?.map(({ name }) => name)).toEqual(['dropin-1', 'dropin-2'])
  expect(tables).toHaveLength(19)
  for (const [image, prefix, location] of found) {
    const table = tableFor(tables, image)
    // `*.com`, which that test does not look at, is there as well.
    const isOnlyWildcard = prefix === undefined && table === undefined
    expect(isOnlyWildcard || table?.prefix === prefix, image).toBe(true)
    expect(table?.location, image).toBe(location)
  }
})

/** TestPullSourcesFromReference: for each registry, who is asked for a digest and who for a tag. */
const pulls: [string, string[], string[]][] = [
  ['a.com/foo', ['1', '2!'], ['1', '2!']],
  ['b.com/foo', ['1', '2'], []],
  ['a.com/baz', ['1', '2!'], ['1', '2!']],
  ['b.com/baz', ['1', '2'], []],
  ['c.com/baz', ['1', '2'], ['1']],
  ['d.com/baz', ['1', '2'], []],
  ['e.com/baz', [], ['1', '2']],
  ['f.com/baz', ['1'], ['1', '2']],
  ['g.com/baz', ['1', '3', '4'], ['2', '3', '4']],
]
testWith('go')("mirrors are asked for what they are asked for in containers/image's tests", async () => {
  const { tables } = parseFixture('pull-sources-from-reference.conf')
  expect(tables).toHaveLength(9)
  for (const [name, digest, tag] of pulls) {
    const { origin, mirrors } = placesOf(registryReference(`registry-${name}/image:17`), { tables })
    const asked = (other: string) =>
      mirrors
        .filter(({ pull }) => pull !== other)
        .map(({ reference, insecure }) => `${reference.registry}/${reference.repository}${insecure ? '!' : ''}`)
    const expected = (numbers: string[]) =>
      numbers.map((one) => `mirror-${one[0]}.registry-${name.slice(0, 5)}/image${one.slice(1)}`)
    expect(asked('tag-only'), name).toEqual(expected(digest))
    expect(asked('digest-only'), name).toEqual(expected(tag))
    expect(`${origin.reference.registry}/${origin.reference.repository}`).toBe(`registry-${name.slice(0, 5)}/bar/image`)
  }
})
