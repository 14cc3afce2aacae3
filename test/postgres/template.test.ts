import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareVersions, parseVersion, type Version } from '../../src/model/version.ts'
import { choose, type Offer, type Target } from '../../src/postgres/offer.ts'
import { parseTemplate } from '../../src/postgres/template.ts'

const target: Target = { major: 17, postgresVersion: '17.6', os: 'bookworm', platform: 'linux/amd64' }
const here = 'registry.example.com/ext/{name}:{version}-pg{major}-{os}'

test.each([
  // As registries have them: a project's own, CloudNativePG's with and without a build's time, pglayers'.
  [here, 'postgis', '3.5.2-pg17-bookworm', { version: '3.5.2', major: 17, os: 'bookworm' }],
  [here, 'postgis', '1.5-dev-pg17-bookworm', { version: '1.5-dev', major: 17, os: 'bookworm' }],
  [
    'a/{name}:{version}-{major}-{os}',
    'pgvector',
    '0.8.6-202608201414-18-trixie',
    { version: '0.8.6-202608201414', major: 18, os: 'trixie' },
  ],
  ['a/{name}:{version}-{major}-{os}', 'pgvector', '0.8.6-18-trixie', { version: '0.8.6', major: 18, os: 'trixie' }],
  ['a/pgx-{name}:{major}-{version}', 'pgvector', '17-v0.8.3', { version: 'v0.8.3', major: 17 }],
  ['a/all:{name}-{version}-{arch}', 'pg_cron', 'pg_cron-1.6.4-aarch64', { version: '1.6.4', architecture: 'arm64' }],
  ['a/{name}:{version}-pg{major}.{minor}', 'x', '1.0-pg17.6', { version: '1.0', major: 17, exactly: '17.6' }],
  ['oci:./images:{name}-{version}-pg{major}', 'hstore', 'hstore-1.8-pg18', { version: '1.8', major: 18 }],
])('%s reads of %s the tag %s', (template, name, tag, expected) => {
  const { version, ...built } = expected
  expect(parseTemplate(template).offersIn([tag], name, target)).toMatchObject([{ version: { text: version }, built }])
})

test.each([
  [here, 'postgis', 'latest'],
  [here, 'postgis', '3.5.2-pg17-bookworm-slim'],
  [here, 'postgis', 'sha256-0000.sig'],
  ['a/all:{name}-{version}', 'pg', 'pg_cron-1.6.4'],
  ['a/{name}:{version}-{version}', 'x', '1.0-1.1'],
])('%s reads nothing of %s in the tag %s', (template, name, tag) => {
  expect(parseTemplate(template).offersIn([tag], name, target)).toEqual([])
})

test.each([
  ['registry.example.com/ext/{name}', 'it has no tag with {version}'],
  ['registry.example.com:5000/ext/{name}', 'it has no tag with {version}'],
  ['registry.example.com/ext/postgis:{version}', 'it has no {name}'],
  ['registry.example.com/{name}:{version}-{distro}', 'it does not know "{distro}", but {name}'],
  ['registry.example.com/{name}:{version}-{constructor}', 'it does not know "{constructor}", but {name}'],
  ['registry.example.com/{name}:{version}@sha256:1', 'it has no tag with {version}'],
])('%s is refused: %s', (template, why) => expect(() => parseTemplate(template)).toThrow(why))

test('a version leads to its tag, and the tag to the version, whatever they are', () => {
  const template = parseTemplate(here)
  const versions = fc.stringMatching(/^[0-9]{1,3}(?:[.][0-9]{1,2}){0,3}(?:(?:[-.]?(?:beta|rc|dev))?[0-9]{0,2})$/)
  fc.assert(
    fc.property(versions, (version) => {
      const reference = template.referenceTo(version, 'postgis', target)
      const tag = reference.slice(reference.lastIndexOf(':') + 1)
      expect(template.offersIn([tag], 'postgis', target)).toMatchObject([{ version: { text: version }, reference }])
    }),
  )
  fc.assert(fc.property(fc.string(), (tag) => void template.offersIn([tag], 'postgis', target)))
})

const offers = (...tags: string[]) => parseTemplate(here).offersIn(tags, 'postgis', target)
const chosen = (list: Offer[], wanted: { version?: string; prerelease?: boolean } = {}) => {
  const { fitting, newer } = choose(list, { name: 'postgis', ...wanted }, target)
  return [fitting[0]?.version.text, newer] as const
}

test('the highest that fits is chosen, and what is above it and does not fit is told', () => {
  const list = offers(
    '3.5.9-pg17-bookworm',
    '3.5.10-pg17-bookworm',
    '3.5.11-pg17-trixie',
    '3.6.0-pg18-bookworm',
    '3.6.0-pg19-bookworm',
    '3.7.0beta1-pg17-bookworm',
    '3.4.0-pg17-bookworm',
  )
  const told = ['3.7.0beta1: a pre-release', '3.6.0: for Postgres 18, 19 only', '3.5.11: for trixie only']
  expect(chosen(list)).toEqual(['3.5.10', told])
  expect(chosen(list, { prerelease: true })).toEqual(['3.7.0beta1', []])
  expect(chosen(list, { version: '3.7.0beta1' })).toEqual(['3.7.0beta1', []])
  expect(chosen(list, { version: '3.5' })).toEqual(['3.5.10', ['3.5.11: for trixie only']])
  expect(chosen(list, { version: '3.4.0' })).toEqual(['3.4.0', []])
  expect(chosen(list, { version: '3.6' })).toEqual([undefined, ['3.6.0: for Postgres 18, 19 only']])
})

test('a version that is there as it was written is the one that is meant', () => {
  const list = offers('1.6-pg17-bookworm', '1.6.4-pg17-bookworm', '1.6.5-pg18-bookworm')
  expect(chosen(list, { version: '1.6' })).toEqual(['1.6', ['1.6.5: for Postgres 18 only']])
  expect(chosen(list)[0]).toBe('1.6.4')
})

test('many that do not fit are cut with a count', () => {
  const many = Array.from({ length: 9 }, (_, at) => `9.${at}-pg18-bookworm`)
  expect(chosen(offers('1.0-pg17-bookworm', ...many))[1]).toEqual([
    ...[8, 7, 6, 5, 4].map((minor) => `9.${minor}: for Postgres 18 only`),
    'and 4 more',
  ])
})

test('the choice does not depend on the order of the tags', () => {
  const tags = [
    '1.0-pg17-bookworm',
    '1.0.0-pg17-bookworm',
    '1.1-pg18-bookworm',
    '1.0rc1-pg17-bookworm',
    '0.9-pg17-trixie',
  ]
  fc.assert(
    fc.property(fc.shuffledSubarray(tags, { minLength: tags.length }), (some) => {
      expect(chosen(offers(...some))).toEqual(chosen(offers(...tags)))
    }),
  )
})

test('nothing above the chosen one fits and is a release', () => {
  const tag = fc
    .tuple(
      fc.nat(3),
      fc.nat(3),
      fc.constantFrom('', 'beta1', '-2'),
      fc.constantFrom(17, 18),
      fc.constantFrom('bookworm', 'trixie'),
    )
    .map(([a, b, suffix, major, os]) => `${a}.${b}${suffix}-pg${major}-${os}`)
  fc.assert(
    fc.property(fc.array(tag), (tags) => {
      const [best] = chosen(offers(...tags))
      for (const text of tags.filter((one) => one.endsWith('-pg17-bookworm') && !one.includes('beta'))) {
        const version = parseVersion(text.replace('-pg17-bookworm', '')) as Version
        expect(compareVersions(parseVersion(best ?? '') as Version, version)).toBeGreaterThanOrEqual(0)
      }
    }),
  )
})
