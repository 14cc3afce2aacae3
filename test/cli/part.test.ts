import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { diffSchema } from '../../src/engine/diff.ts'
import { inspectionSchema, treeLineSchema } from '../../src/engine/inspection.ts'
import { pgoci } from '../support/cli.ts'
import { temporaryFolder } from '../support/folder.ts'
import { distributionFiles, extensionFiles, type Layer, writeLayout } from '../support/postgres-images.ts'

// Extensions in images that are whole servers, of the Postgres that npm ships: one built on the distribution's image, one
// on another.
const folder = temporaryFolder()
const layout = join(folder, 'images')
const text = (path: string, content: string): Layer => new Map([[path, Buffer.from(content)]])
const newer = (control: string) => control.replace(/default_version = '[^']*'/, "default_version = '9.9'")

beforeAll(async () => {
  const base: readonly Layer[] = [distributionFiles(), text('etc/issue', 'base')]
  const next: readonly Layer[] = [distributionFiles(), text('etc/issue', 'next')]
  const books = text('var/lib/dpkg/status', 'books')
  await writeLayout(layout, [
    { tag: 'pg', files: base },
    { tag: 'pg-next', files: next },
    { tag: 'derived', files: [...base, new Map([...books, ...extensionFiles('hstore')])] },
    { tag: 'derived-next', files: [...next, new Map([...books, ...extensionFiles('hstore', newer)])] },
    { tag: 'other', files: [distributionFiles(), new Map([...extensionFiles('hstore'), ...extensionFiles('cube')])] },
  ])
})

const run = (...words: string[]) => pgoci(words, { env: { PGOCI_CACHE: join(folder, 'cache') } })
const image = (tag: string) => `oci:${layout}:${tag}`
const hstore = ['--include', '/lib/postgresql/hstore*', '--include', 'share/**/hstore*']

async function inspected(...words: string[]) {
  const { stdout, stderr, code } = await run('inspect', '--json', '--files', ...words)
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  const [first = '', ...lines] = stdout.trimEnd().split('\n')
  const found = inspectionSchema.parse(JSON.parse(first))
  expect(found, 'nothing that is not documented').toEqual(JSON.parse(first))
  const paths = lines
    .map((line) => treeLineSchema.parse(JSON.parse(line)))
    .flatMap(({ kind, path }) => (kind === 'directory' ? [] : [path]))
  return { ...found, paths }
}

async function compared(...words: string[]) {
  const { stdout, stderr } = await run('diff', '--json', ...words)
  expect(stderr).toBe('')
  return diffSchema.parse(JSON.parse(stdout))
}

describe('An image that was built on a distribution', () => {
  test('is that distribution to who names no base, and with it an extension', async () => {
    expect(await inspected(image('derived'))).toMatchObject({ kind: 'distribution' })
    const found = await inspected(image('derived'), '--base', image('pg-next'), '--base', image('pg'))
    expect(found).toMatchObject({ kind: 'extension', baseLayers: 2, layers: [{}], postgres: { major: 18 } })
    expect(Object.keys(found.provides)).toEqual(['hstore'])
    expect(found.paths.every((path) => path.includes('hstore'))).toBe(true)
  })

  test('is refused with another base, as an up refuses it', async () => {
    const { code, stdout, stderr } = await run('inspect', image('derived'), '--base', image('pg-next'))
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/whole Postgres, and its lowest layers are not those of the distribution/)
  })

  test('is compared as an extension, with the distribution that it is declared with as its base', async () => {
    const found = await compared(
      image('derived'),
      image('derived-next'),
      '--with',
      image('pg-next'),
      '--base',
      image('pg'),
    )
    expect(found).toMatchObject({
      kind: 'extension',
      isProven: true,
      files: { changed: ['live/share/extension/hstore.control'] },
    })
    expect(found.versions).toEqual([{ name: 'hstore', from: '1.8', to: '9.9', canUpdate: false }])
    const { code, stderr } = await run('diff', image('derived'), image('derived-next'), '--with', image('pg-next'))
    expect(code).toBe(2)
    expect(stderr).toMatch(
      /one is a distribution, the other an extension; .* with --base what an extension was built on/,
    )
  })

  test('goes along with an update of its distribution', async () => {
    const words = [image('pg'), image('pg-next'), '--with', image('derived-next')]
    expect(await compared(...words)).toMatchObject({ kind: 'distribution', isProven: true })
  })
})

describe('--include', () => {
  test('shows what an extension with it is made of', async () => {
    const found = await inspected(image('other'), ...hstore)
    expect(found).toMatchObject({ kind: 'extension', include: ['/lib/postgresql/hstore*', 'share/**/hstore*'] })
    expect(Object.keys(found.provides)).toEqual(['hstore'])
    expect(found.paths.length).toBeGreaterThan(3)
    expect(found.paths.every((path) => path.includes('hstore'))).toBe(true)
    const { stdout } = await run('inspect', image('other'), ...hstore)
    expect(stdout).toMatch(/^part +\/lib\/postgresql\/hstore\*\n +share\/\*\*\/hstore\*$/m)
  })

  test('compares these files alone', async () => {
    const words = [image('derived'), image('derived-next'), '--with', image('pg-next'), ...hstore]
    const { kind, files } = await compared(...words)
    expect({ kind, ...files, same: 0 }).toEqual({
      ...{ kind: 'extension', added: [], removed: [], same: 0 },
      changed: ['live/share/extension/hstore.control'],
    })
  })

  test('is refused where it names nothing, and where it is no list of globs', async () => {
    const { code, stderr } = await run('inspect', image('other'), '--include', 'usr/**/postgis*')
    expect([code, stderr]).toEqual([1, expect.stringMatching(/no file that include's "usr\/\*\*\/postgis\*" matches/)])
    for (const words of [
      ['inspect', image('other')],
      ['diff', image('pg'), image('other')],
    ]) {
      const wrong = await run(...words, '--include', 'usr/{a,b}')
      expect(wrong).toMatchObject({ code: 2, stdout: '' })
      expect(wrong.stderr).toMatch(
        /--include.* Of a glob: must be a path in the image, with \*, \*\* or \? as wildcards/,
      )
    }
  })
})
