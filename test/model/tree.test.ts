import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf, hexOf, isDigest, parseDigest, shortDigest } from '../../src/model/digest.ts'
import { parseManifest } from '../../src/model/manifest.ts'
import { formatPlatform, parsePlatform, platformOfMachine, preferred, runsOn } from '../../src/model/platform.ts'
import { printable, quote } from '../../src/model/quote.ts'
import {
  addParents,
  type Entry,
  formatManifest,
  nameOf,
  objectName,
  parentOf,
  parseTreePath,
  sameEntry,
  treeDigest,
} from '../../src/model/tree.ts'

const name = fc.string({ unit: fc.constantFrom(...'aZ09-_. \\"\'$é中\uffee😀'), minLength: 1, maxLength: 12 })
const path = fc
  .array(
    name.filter((text) => text !== '.' && text !== '..'),
    { minLength: 1, maxLength: 5 },
  )
  .map((parts) => parts.join('/'))
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.constant<Entry>({ kind: 'directory' }),
  path.map((target): Entry => ({ kind: 'link', target })),
  fc.record({
    kind: fc.constant('file'),
    digest: fc.string().map(digestOf),
    size: fc.constant(0),
    executable: fc.boolean(),
  }),
)
const tree = fc.array(fc.tuple(path, entry), { maxLength: 30 }).map((entries) => new Map(entries))

test('a manifest is read back as the tree it was made of', () => {
  fc.assert(fc.property(tree, (one) => void expect(parseManifest(formatManifest(one))).toEqual(one)))
})

test('the digest of a tree does not know the order in which it was made', () => {
  fc.assert(
    fc.property(tree, (one) => {
      expect(treeDigest(new Map([...one].reverse()))).toBe(treeDigest(one))
    }),
  )
})

test('a manifest is in the order of sort(1), which the hosts compare with', () => {
  fc.assert(
    fc.property(tree, (one) => {
      const text = formatManifest(one)
      const sorted = spawnSync('sort', { input: text, env: { ...process.env, LC_ALL: 'C' } }).stdout.toString()
      expect(text).toBe(sorted)
    }),
    { numRuns: 40 },
  )
})

test('entries are the same when all that reaches a host is', () => {
  const file = { kind: 'file', digest: digestOf('a'), size: 1, executable: false } as const
  expect(sameEntry(file, { ...file })).toBe(true)
  expect(sameEntry(file, { ...file, executable: true })).toBe(false)
  expect(sameEntry(file, { ...file, digest: digestOf('b') })).toBe(false)
  expect(sameEntry({ kind: 'link', target: 'a' }, { kind: 'link', target: 'b' })).toBe(false)
  expect(sameEntry(file, undefined)).toBe(false)
  expect(sameEntry(undefined, undefined)).toBe(true)
})

test.each([
  ['./a//b/', 'a/b'],
  ['a/./b', 'a/b'],
  ['.', ''],
  ['./', ''],
  ['', ''],
  ['...', '...'],
  ['a..b', 'a..b'],
])('the path "%s" is "%s"', (text, wanted) => {
  expect(parseTreePath(text)).toBe(wanted)
})

test('a path that is taken stays as it is, and can neither leave the root nor break a line', () => {
  const piece = fc.constantFrom('a', '.', '..', '/', '\0', '\n', '\t', '\\', 'é', '\ufffd')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      let taken: string
      try {
        taken = parseTreePath(pieces.join(''))
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError)
        return
      }
      expect(parseTreePath(taken)).toBe(taken)
      expect(taken).not.toMatch(/^\/|\n|\t|\0|(?:^|\/)\.\.?(?:\/|$)/)
    }),
    { numRuns: 3000 },
  )
})

test('parents are added as directories, and what is there stays', () => {
  const one = new Map<string, Entry>([['a', { kind: 'link', target: 'x' }]])
  addParents(one, 'a/b/c/d')
  expect([...one.keys()].sort()).toEqual(['a', 'a/b', 'a/b/c'])
  expect(one.get('a')).toEqual({ kind: 'link', target: 'x' })
  expect([parentOf('a/b'), parentOf('a'), nameOf('a/b'), nameOf('a')]).toEqual(['a', '', 'b', 'a'])
})

test('an object is named by its content and whether it is executable', () => {
  const digest = digestOf('a')
  const hex = hexOf(digest)
  expect(objectName({ digest, executable: false })).toBe(`${hex.slice(0, 2)}/${hex}`)
  expect(objectName({ digest, executable: true })).toBe(`${hex.slice(0, 2)}/${hex}.x`)
})

test.each([
  '',
  'sha256:',
  `sha256:${'a'.repeat(63)}`,
  `sha256:${'A'.repeat(64)}`,
  `sha512:${'a'.repeat(128)}`,
  `sha256:${'a'.repeat(64)}\n`,
])('%j is no digest', (text) => {
  expect(isDigest(text)).toBe(false)
  expect(() => parseDigest(text)).toThrow(SyntaxError)
})

test('a digest is its algorithm and 64 digits, of which people see twelve', () => {
  expect(digestOf('')).toBe('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  expect(shortDigest(digestOf(''))).toBe('e3b0c44298fc')
})

test.each<[string, string, boolean]>([
  ['linux/amd64', 'linux/amd64', true],
  ['linux/amd64', 'linux/arm64', false],
  ['linux/amd64', 'windows/amd64', false],
  ['linux/amd64/v1', 'linux/amd64', true],
  ['linux/amd64/v3', 'linux/amd64', false],
  ['linux/amd64/v2', 'linux/amd64/v3', true],
  ['linux/amd64/v4', 'linux/amd64/v3', false],
  ['linux/arm64/v8', 'linux/arm64', true],
  ['linux/arm64', 'linux/arm64/v8', true],
  ['linux/arm64/v9', 'linux/arm64', false],
  ['linux/amd64/odd', 'linux/amd64', false],
  ['linux/amd64/odd', 'linux/amd64/odd', true],
])('what is built for %s on a %s host: %s', (image, host, runs) => {
  const [a, b] = [parsePlatform(image), parsePlatform(host)]
  expect(a && b && runsOn(a, b)).toBe(runs)
  expect(a && formatPlatform(a)).toBe(image)
})

test('platforms are told by uname, and nothing else is one', () => {
  expect(platformOfMachine('x86_64')).toEqual({ os: 'linux', architecture: 'amd64' })
  expect(platformOfMachine('aarch64')).toEqual({ os: 'linux', architecture: 'arm64' })
  expect(platformOfMachine('pdp11')).toBeUndefined()
  for (const text of ['', 'linux', 'linux/', '/amd64', 'a/b/c/d']) expect(parsePlatform(text)).toBeUndefined()
  expect(preferred([])).toBeUndefined()
})

test('text from outside cannot draw on a terminal, turn its direction, or fill the screen', () => {
  expect(printable('a\u001b[31m\r\n\u202e\ud800b\u0085')).toBe('a\\x1b[31m\\x0d\\x0a\\u202e\\ud800b\\x85')
  expect(quote('x'.repeat(300))).toHaveLength(202)
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
      expect(printable(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
    }),
  )
})
