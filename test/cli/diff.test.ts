import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { diffSchema } from '../../src/engine/diff.ts'
import { pgoci } from '../support/cli.ts'
import { temporaryFolder } from '../support/folder.ts'
import { testWith } from '../support/needs.ts'
import { type Layer, writeLayout } from '../support/postgres-images.ts'
import { type RpmPackage, rpmDatabase } from '../support/rpm-database.ts'
import { smallDistribution, smallExtension } from '../support/small-images.ts'

const folder = temporaryFolder()
const layout = join(folder, 'images')
const share = 'share/postgresql/extension'
const debian = (version: string) => ({
  'lib/x86_64-linux-gnu/ld-linux-x86-64.so.2': 'loader',
  'var/lib/dpkg/status': `Package: libicu72\nStatus: install ok installed\nVersion: ${version}\n\n`,
})
const withFiles = (files: Layer, more: Record<string, string>): Layer =>
  new Map([...files, ...Object.entries(more).map(([path, text]): [string, Uint8Array] => [path, Buffer.from(text)])])

/** Names and versions that would be markup, links, mentions and drawing, if anybody let them. */
const hostile = {
  module: 'lib/postgresql/a|b```c` @everyone <img src=x> </details>\u202e.so',
  version: '1.1`|\u001b[2J**<script>',
}

beforeAll(async () => {
  await writeLayout(layout, [
    { tag: 'pg18.4', files: withFiles(smallDistribution({ version: '18.4' }), { 'share/postgresql/NEWS': '18.4' }) },
    { tag: 'pg18.5', files: smallDistribution({ version: '18.5' }) },
    { tag: 'pg17.1', files: smallDistribution({ version: '17.1' }) },
    { tag: 'debian1', files: withFiles(smallDistribution(), debian('72.1-3')) },
    { tag: 'debian2', files: withFiles(smallDistribution(), debian('72.1-4')) },
    { tag: 'cube1.4', files: withFiles(smallExtension('cube', '1.4'), { [`${share}/cube--1.4.sql`]: '' }) },
    {
      tag: 'cube1.5',
      files: withFiles(smallExtension('cube', '1.5', { requires: ['earth'] }), {
        [`${share}/cube--1.4--1.5.sql`]: '--',
        'lib/postgresql/more.so': 'no module',
      }),
    },
    { tag: 'broken', files: withFiles(smallExtension('cube', '1.5'), { [`${share}/cube.control`]: '=' }) },
    {
      tag: 'hostile',
      files: withFiles(smallExtension('cube', hostile.version), { [hostile.module]: 'x', 'a``````b': 'x' }),
    },
  ])
})

const diff = (...words: string[]) => pgoci(['diff', ...words], { env: { PGOCI_CACHE: join(folder, 'cache') } })
const image = (tag: string) => `oci:${layout}:${tag}`

test('an extension: what it means first, then each file; exit code 1', async () => {
  const { code, stdout, stderr } = await diff(image('cube1.4'), image('cube1.5'))
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
  const digest = / sha256:[0-9a-f]{64}$/gm
  expect(
    stdout
      .replaceAll(layout, 'images')
      .replace(digest, '')
      .replace(/\d+ bytes/g, 'N bytes'),
  ).toBe(`\
old       oci:images:cube1.4
new       oci:images:cube1.5
impact    live: no code that is loaded changes; sessions see all of it at once
versions  cube 1.4 → 1.5, with an update path
requires  +earth
wire      about N bytes (N bytes of new content)
files     2 added, 1 removed, 1 changed, 1 the same
~ share/extension/cube.control
+ lib/more.so
+ share/extension/cube--1.4--1.5.sql
- share/extension/cube--1.4.sql
`)
})

test('the same image: exit code 0', async () => {
  const { code, stdout } = await diff(image('cube1.4'), image('cube1.4'))
  expect(code).toBe(0)
  expect(stdout).toMatch(/^impact +live: the same files$/m)
})

test('a distribution: a restart, with the packages of its system', async () => {
  expect((await diff(image('pg18.4'), image('pg18.5'))).stdout).toMatch(/^impact +restart: Postgres 18\.4 → 18\.5; /m)
  const { stdout } = await diff(image('debian1'), image('debian2'))
  expect(stdout).toMatch(/^impact +restart: another build of Postgres 18\.4; /m)
  expect(stdout).toMatch(/^packages +libicu72 72\.1-3 → 72\.1-4$/m)
  expect((await diff(image('pg17.1'), image('pg18.5'))).stdout).toMatch(
    /^impact +blocked: Postgres 18 does not start /m,
  )
})

testWith('rpm', 'rpmbuild')('the packages of a system with rpm', async () => {
  const made = (tag: string, packages: readonly RpmPackage[]) => ({
    tag,
    files: new Map([...smallDistribution(), [database, rpmDatabase(join(folder, tag), packages).bytes]]),
  })
  const database = 'usr/lib/sysimage/rpm/rpmdb.sqlite'
  const same = { name: 'bash', version: '5.2' }
  await writeLayout(layout, [
    made('rpm1', [same, { name: 'libicu', version: '67.1' }, { name: 'tzdata', version: '2026a' }]),
    made('rpm2', [same, { name: 'libicu', version: '67.1', epoch: 1 }, { name: 'perl-libs', version: '5.32' }]),
    { tag: 'rpm3', files: withFiles(smallDistribution(), { [database]: 'SQLite format 3\0' }) },
  ])
  const { stdout } = await diff(image('rpm1'), image('rpm2'))
  expect(stdout).toMatch(/^packages +libicu 67\.1-3 → 1:67\.1-3\n +perl-libs new → 5\.32-3\n +tzdata 2026a-3 → gone$/m)
  // One that is damaged stops nothing.
  expect(await diff(image('rpm1'), image('rpm3'))).toMatchObject({ code: 1, stderr: '' })
})

test('--with proves what goes together: what is refused is blocked', async () => {
  const fits = await diff('--json', image('cube1.4'), image('cube1.5'), '--with', image('pg18.4'))
  const found = diffSchema.parse(JSON.parse(fits.stdout))
  expect(found, 'nothing that is not documented').toEqual(JSON.parse(fits.stdout))
  expect(found).toMatchObject({ isProven: true, impact: { kind: 'live' } })
  expect(found.findings.map(({ id }) => id)).toContain('requires:cube.earth')
  const refused = await diff(image('pg18.4'), image('pg18.5'), '--with', image('broken'))
  expect(refused.stdout).toMatch(/^impact +blocked: cube\.control has a syntax error .*\(control-file:cube\)$/m)
})

test('trouble is 2: kinds that cannot be compared, what is not there, a wrong command line', async () => {
  const mixed = await diff(image('pg18.4'), image('cube1.4'))
  expect(mixed).toMatchObject({ code: 2, stdout: '' })
  expect(mixed.stderr).toMatch(
    /^Cannot compare oci:\S+ with oci:\S+: one is a distribution, the other an extension; name two of the same kind, and with --base what an extension was built on\n$/,
  )
  expect((await diff(image('cube1.4'), image('gone'))).code).toBe(2)
  expect((await diff(image('cube1.4'))).code).toBe(2)
})

test('names and versions that images wrote are no markup in a comment, and draw on no terminal', async () => {
  const { code, stdout } = await diff('--markdown', image('cube1.4'), image('hostile'))
  expect(code).toBe(1)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
  const outside: string[] = []
  let fence = ''
  for (const line of stdout.split('\n')) {
    if (fence !== '') fence = new RegExp(`^ {0,3}\`{${fence.length},} *$`).test(line) ? '' : fence
    else if (line.startsWith('```')) fence = /^`+/.exec(line)?.[0] ?? ''
    else outside.push(line)
  }
  expect(fence).toBe('')
  expect(outside.join('\n')).toMatch(
    /^### Postgres extension: restart\n\n\n<details><summary>Files: [\d a-z,]+<\/summary>\n\n\n<\/details>\n$/,
  )
  const { stdout: text } = await diff(image('cube1.4'), image('hostile'))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
  expect(text).toContain('</details>\\u202e.so')
})

test('docs/schemas/diff.json is what --json prints', async () => {
  const text = `${JSON.stringify(z.toJSONSchema(diffSchema), null, 2)}\n`
  await expect(text).toMatchFileSnapshot('../../docs/schemas/diff.json')
})
