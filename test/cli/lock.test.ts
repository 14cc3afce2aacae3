import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { lockReportSchema } from '../../src/cli/lock-report.ts'
import { outdatedSchema } from '../../src/cli/outdated.ts'
import { pgoci } from '../support/cli.ts'
import { startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { imageOf, publish, smallDistribution, smallExtension } from '../support/small-images.ts'

const cwd = temporaryFolder()
const platform = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`
const osRelease = 'VERSION_CODENAME=trixie\nID=debian\n'
let registry: TestRegistry
const template = () => `${registry.host}/ext/{name}:{version}-pg{major}-{os}`
const extension = (
  name: string,
  version: string,
  more: { requires?: string[]; major?: number; mark?: string } = {},
) => {
  const files = new Map([...smallExtension(name, version, more), ['mark', Buffer.from(more.mark ?? '')] as const])
  publish(registry, { repository: `ext/${name}`, tag: `${version}-pg${more.major ?? 18}-trixie` }, imageOf(files))
}
const run = (...words: string[]) => {
  const PGOCI_REGISTRIES = JSON.stringify({ [registry.host]: { insecure: true } })
  return pgoci(words, { cwd, env: { PGOCI_CACHE: join(cwd, 'cache'), PGOCI_REGISTRIES } })
}
const locked = (file = 'pgoci.lock.json') => JSON.parse(readFileSync(join(cwd, file), 'utf8'))
const versions = () => locked().names.map(({ name, version }: Record<string, string>) => `${name} ${version}`)

beforeAll(async () => {
  registry = await startRegistry({}, [])
  publish(
    registry,
    { repository: 'postgres', tag: '18' },
    imageOf(smallDistribution({ osRelease, contrib: { cube: '1.5' } })),
  )
  extension('earth', '1.2', { requires: ['cube', 'sphere'] })
  extension('sphere', '0.9')
  extension('timescaledb', '2.13.0')
  const set = `image: ${registry.host}/postgres:18
repository: "${template()}"
extensions:
- name: earth
- name: timescaledb
  version: 2.13.0
- name: cube
`
  writeFileSync(join(cwd, 'orders.yaml'), set)
})
afterAll(() => registry.close())

test('lock writes what a set means and requires, and the same again', async () => {
  const { code, stdout, stderr } = await run('lock', 'orders.yaml')
  expect(stderr).toContain('earth')
  expect(code, stderr).toBe(0)
  expect(stdout).toContain('pgoci.lock.json, 3 names, 1 images')
  expect(stdout).toContain(`earth for Postgres 18, trixie, ${platform}: new → 1.2`)
  expect(versions()).toEqual(['earth 1.2', 'sphere 0.9', 'timescaledb 2.13.0'])
  expect(locked().images).toEqual([
    { reference: `${registry.host}/postgres:18`, platform, digest: expect.stringMatching(/^sha256:/) },
  ])
  const before = readFileSync(join(cwd, 'pgoci.lock.json'), 'utf8')
  extension('earth', '1.3', { requires: ['cube', 'sphere'] })
  extension('earth', '1.4', { major: 19 })
  expect((await run('lock', 'orders.yaml')).stdout).toContain('unchanged')
  expect(readFileSync(join(cwd, 'pgoci.lock.json'), 'utf8')).toBe(before)
})

test('outdated tells what could move and what could not, and why', async () => {
  extension('timescaledb', '2.14.0')
  extension('sphere', '0.9', { mark: 'built again' })
  const { code, stdout, stderr } = await run('outdated')
  expect(code, stderr).toBe(1)
  const whom = `Postgres 18, trixie, ${platform}`
  expect(stdout).toBe(`earth  ${whom}
  1.2 → 1.3: asked for, and fits; npx pgoci lock --update, or a new repin
  1.4: for Postgres 19 only
sphere  ${whom}
  0.9: its tag was moved to another image, which may be a rebuild or something else
timescaledb 2.13.0  ${whom}
  2.13.0 → 2.14.0: fits, and the program asks for another version
3 could move, 1 could not
`)
  const json = outdatedSchema.parse(JSON.parse((await run('outdated', '--json')).stdout))
  expect(json.outdated.map(({ what }) => what)).toEqual(['earth', 'sphere', 'timescaledb 2.13.0'])
})

test('lock --update moves what may move, and then only what was asked for otherwise is outdated', async () => {
  const { stdout } = await run('lock', 'orders.yaml', '--update', '--json')
  const report = lockReportSchema.parse(JSON.parse(stdout))
  expect(report.changed.map(({ what, from, to }) => [what, from, to])).toEqual([
    ['earth', '1.2', '1.3'],
    ['sphere', '0.9', '0.9'],
  ])
  expect(versions()).toEqual(['earth 1.3', 'sphere 0.9', 'timescaledb 2.13.0'])
})

test('names and versions are locked for platforms, beside what is there; --prune takes out the rest', async () => {
  const words = ['--repository', template(), '--major', '18', '--os', 'trixie', '--platform', platform]
  expect((await run('lock', ...words, '--file', 'other.json', 'earth@1.2')).code).toBe(0)
  expect(locked('other.json').names).toMatchObject([{ name: 'earth', asked: '1.2', version: '1.2' }])
  expect((await run('lock', ...words, '--file', 'other.json', 'timescaledb')).code).toBe(0)
  expect(locked('other.json').names).toHaveLength(2)
  expect((await run('lock', ...words, '--file', 'other.json', '--prune', 'timescaledb')).code).toBe(0)
  expect(locked('other.json').names).toMatchObject([{ name: 'timescaledb', version: '2.14.0' }])
  expect((await run('outdated', 'other.json')).code).toBe(0)
})

// Bug: it was asked for without an end.
test('a requirement that the image of its name does not provide is an error', async () => {
  extension('needy', '1.0', { requires: ['vector'] })
  publish(registry, { repository: 'ext/vector', tag: '1.0-pg18-trixie' }, imageOf(smallExtension('pgvector', '1.0')))
  const set = { image: `${registry.host}/postgres:18`, repository: template(), extensions: [{ name: 'needy' }] }
  writeFileSync(join(cwd, 'needy.json'), JSON.stringify(set))
  const { code, stderr } = await run('lock', 'needy.json', '--file', 'needy.lock')
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Cannot find "vector", which "needy" requires'),
  })
})

test.each([
  ['lock', ['lock', '--repository', 'a/{name}:{version}', 'earth'], 1, 'give --major and --os'],
  ['lock', ['lock', 'nowhere.yaml'], 1, 'Cannot read "nowhere.yaml"'],
  ['outdated', ['outdated', 'nowhere.json'], 2, 'has none by name or tag'],
])('%s says what it cannot do', async (_, words, exit, why) => {
  const { code, stderr } = await run(...words)
  expect({ code, stderr }).toEqual({ code: exit, stderr: expect.stringContaining(why) })
})

test.each([
  ['lock-report', lockReportSchema],
  ['outdated', outdatedSchema],
])('the schema of %s is published', async (name, schema) => {
  const text = `${JSON.stringify(z.toJSONSchema(schema, { io: 'input' }), null, 2)}\n`
  await expect(text).toMatchFileSnapshot(`../../docs/schemas/${name}.json`)
})
