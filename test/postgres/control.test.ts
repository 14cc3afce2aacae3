import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseControl } from '../../src/postgres/control.ts'

test('the control file of a real extension', () => {
  const text = `# earthdistance extension
comment = 'calculate great-circle distances on the surface of the Earth'
default_version = '1.2'
module_pathname = '$libdir/earthdistance'
relocatable = true
requires = 'cube'
`
  expect(parseControl(text)).toEqual({
    comment: 'calculate great-circle distances on the surface of the Earth',
    defaultVersion: '1.2',
    modulePathname: '$libdir/earthdistance',
    relocatable: true,
    requires: ['cube'],
  })
})

test('every key that Postgres knows', () => {
  const text = `directory='extension/x'\nsuperuser=off\ntrusted=YES\nschema=pg_catalog\nencoding = UTF8\nno_relocate='a,b'`
  expect(parseControl(text)).toEqual({
    ...{ directory: 'extension/x', superuser: false, trusted: true, schema: 'pg_catalog', encoding: 'UTF8' },
    noRelocate: ['a', 'b'],
  })
})

test('what Postgres accepts is understood: no "=", no quotes, comments, CRLF, the last one counts', () => {
  const text =
    "default_version 'old'\r\n  default_version=1.0 # comment\r\nrequires 'plpgsql , Cube,\"UUID-x\"' # two\r\nfuture_key = 1\n"
  expect(parseControl(text)).toEqual({ defaultVersion: '1.0', requires: ['plpgsql', 'cube', 'UUID-x'] })
})

test('quotes and backslashes inside strings', () => {
  expect(parseControl(String.raw`default_version = 'it''s \'1\' \101 \n.'`).defaultVersion).toBe("it's '1' A \n.")
})

test('a file without a version has none', () => {
  expect(parseControl("comment = 'default_version = 1'\n# default_version = '2'\n")).toEqual({
    comment: 'default_version = 1',
  })
})

test.each([
  ["default_version = '1", /^has a syntax error in line 1$/],
  ['# one\ndefault_version = 1.0-rc', /line 2$/],
  ['default_version', /line 1$/],
  ['relocatable = maybe', /^needs a Boolean value for relocatable$/],
  ['relocatable = o', /Boolean/],
  ["requires = 'a b'", /^needs a list of names for requires$/],
  ["requires = 'a,'", /list of names/],
  ["relocatable = true\nschema = 'x'", /^sets schema although it is relocatable$/],
])('what Postgres refuses is refused: %j', (text, says) => {
  expect(() => parseControl(text)).toThrow(says)
})

test('a secondary control file may not say where the scripts are', () => {
  expect(parseControl("requires = 'x'", { version: '1' })).toEqual({ requires: ['x'] })
  expect(() => parseControl("default_version = '1'", { version: '1' })).toThrow(/may not set default_version/)
})

test('whatever text comes, it ends, and fails in one way only', () => {
  const piece = fc.constantFrom(
    ...["'", "''", '\\', ',', '"', ' ', '\n', '=', '#', 'requires', 'trusted', 'x', '1.', '\0', 'é'],
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      try {
        parseControl(pieces.join(''))
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError)
      }
    }),
    { numRuns: 2000 },
  )
})

test('bug: a line of blanks behind a key took 20 seconds to refuse', () => {
  expect(() => parseControl(`comment${' '.repeat(65_000)};`)).toThrow(/line 1$/)
})
