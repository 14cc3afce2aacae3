import { expect, test } from 'vitest'
import { digestOf } from '../../src/model/digest.ts'
import type { Entry } from '../../src/model/tree.ts'
import { compareImages } from '../../src/postgres/comparison.ts'
import { changeLines, impactLine } from '../../src/postgres/comparison-lines.ts'
import type { BinaryFacts } from '../../src/postgres/facts.ts'
import type { ImageSide } from '../../src/postgres/image-side.ts'

const treeOf = (files: Record<string, string>) =>
  new Map(
    Object.entries(files).map(([path, text]): [string, Entry] => [
      path,
      { kind: 'file', digest: digestOf(text), size: text.length, executable: false },
    ]),
  )

function extension(files: Record<string, string>, versions: Record<string, string> = {}): ImageSide {
  const provides = Object.entries(versions).map(([name, version]) => [name, { version, requires: [] }])
  return { tree: treeOf(files), provides: Object.fromEntries(provides) }
}

function server(version: string, more: Partial<NonNullable<ImageSide['server']>> = {}): ImageSide {
  const major = Number.parseInt(version, 10)
  return { tree: treeOf({ 'root/bin/postgres': version }), server: { version, major, ...more }, provides: {} }
}

const impact = (before: ImageSide | undefined, after: ImageSide, how: Parameters<typeof compareImages>[2] = {}) =>
  impactLine(compareImages(before, after, how))

test.each([
  ['code', { 'live/lib/a.so': '2' }, /^live: new sessions load lib\/a\.so; open ones keep/],
  ['a library that it brings', { 'live/lib/a.so': '1', 'live/system/libb.so.1': '2' }, /^live: /],
  ['scripts alone', { 'live/lib/a.so': '1', 'live/share/extension/a--2.sql': '' }, /^live: no code that is loaded/],
  ['code that goes', {}, /^live: lib\/a\.so goes; /],
  ['settings', { 'live/lib/a.so': '1', 'live/share/a.conf': '' }, /^reload: settings are in share\/a\.conf$/],
  ['what a running server does not see', { 'live/lib/a.so': '1', 'root/usr/share/proj/p': '' }, /^restart: .*proj\/p$/],
  ['nothing', { 'live/lib/a.so': '1' }, /^live: the same files$/],
])('an extension that changes %s', (_what, files: Record<string, string>, expected) => {
  expect(impact(extension({ 'live/lib/a.so': '1' }), extension(files))).toMatch(expected)
})

test('a library that is preloaded, or that one needs which is, asks for a restart when it changes', () => {
  const binary = { class: 64, machine: 62, runpath: [], requires: {}, provides: [] } as const
  const binaries: BinaryFacts[] = [
    { ...binary, path: 'live/lib/pg_cron.so', digest: digestOf('1'), needed: ['libx.so.1'] },
    { ...binary, path: 'live/system/libx.so.1', digest: digestOf('2'), needed: ['liby.so.1'] },
  ]
  const facts = { binaries, links: {}, unread: {}, extensions: {}, packages: {} }
  const cron = (more: Record<string, string>): ImageSide => ({
    ...extension({ 'live/lib/pg_cron.so': '1', 'live/system/libx.so.1': '1', 'live/system/liby.so.1': '1', ...more }),
    facts,
  })
  expect(impact(undefined, cron({}))).toBe('restart: shared_preload_libraries has to name pg_cron')
  expect(impact(undefined, cron({}), { server: 'first' })).toMatch(/^live: new, with its distribution; shared_preload/)
  expect(impact(cron({}), cron({ 'live/lib/pg_cron.so': '2' }))).toMatch(/^restart: lib\/pg_cron\.so is preloaded/)
  expect(impact(cron({}), cron({ 'live/system/liby.so.1': '2' }))).toMatch(/^restart: system\/liby\.so\.1 is preloaded/)
  expect(impact(cron({}), cron({ 'live/share/extension/pg_cron--2.sql': '' }))).toMatch(/^live: /)
  expect(impact({ ...cron({}), tree: undefined }, cron({}))).toMatch(/^restart: .*may have changed/)
})

test('a distribution: nothing runs from the first; another minor waits for a restart; another major for more', () => {
  expect(impact(undefined, server('18.1'))).toBe('live: new, and nothing runs from it yet')
  expect(impact(server('18.1'), server('18.2'))).toMatch(/^restart: Postgres 18\.1 → 18\.2; /)
  expect(impact(server('18.1'), { ...server('18.1'), tree: treeOf({}) })).toMatch(/^restart: another build of /)
  expect(impact(server('17.9'), server('18.1'))).toMatch(
    /^blocked: Postgres 18 does not start on data of Postgres 17; /,
  )
  const sorting = impact(server('18.1', { libc: 'glibc 2.36' }), server('18.2', { libc: 'glibc 2.41' }))
  expect(sorting).toMatch(/\(glibc 2\.36 → glibc 2\.41\): REINDEX/)
})

test('another distribution below an extension waits for the restart into it', () => {
  const [before, after] = [extension({ 'live/lib/a.so': '1' }), extension({ 'live/lib/a.so': '2' })]
  expect(impact(before, after, { server: 'other' })).toMatch(/^restart: it goes with the new distribution/)
  expect(impact({ ...before, major: 17 }, { ...after, major: 18 })).toMatch(/^blocked: .* from Postgres 17 to 18/)
})

test('lines name what matters, count the rest, and are the same for the same images', () => {
  const scripts = ['1.0--1.1', '1.1--1.2', '1.2', '1.2--1.3', '1.3'].map((one) => `live/share/extension/a--${one}.sql`)
  const before = extension({ 'live/lib/a.so': '1', [scripts[2] as string]: '' }, { a: '1.0', b: '1' })
  const after = extension(
    { 'live/lib/a.so': '22', ...Object.fromEntries(scripts.map((one) => [one, ''])) },
    { a: '1.3' },
  )
  const lines = () => changeLines(compareImages(before, after), { isNew: false, compression: 0.5 })
  expect(lines()).toEqual({
    versions: 'a 1.0 → 1.3, with an update path, b 1 → gone',
    files: '4 added, 1 changed, 1 the same',
    libraries: 'changed lib/a.so',
    scripts: 'added a--1.0--1.1.sql, a--1.1--1.2.sql, a--1.2--1.3.sql and 1 more',
    wire: 'about 1 bytes (2 bytes of new content, packed as its layers are)',
  })
  expect(lines()).toEqual(lines())
})

test('nothing that an image wrote draws on a terminal, and long lines are cut', () => {
  const name = '\u001b[2J\u202e'
  const after = extension(
    { [`live/lib/${name}.so`]: '1', 'live/lib/a.so': '2' },
    { [name]: `1${name}${'9'.repeat(999)}` },
  )
  const lines = changeLines(compareImages(extension({}, { [name]: '0' }), after), { isNew: false, compression: 1 })
  const all = [...Object.values(lines), impact(extension({}), after)]
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  for (const line of all) expect(line).not.toMatch(/[\u0000-\u001f\u202e]|.{401}/)
})
