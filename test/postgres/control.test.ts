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
  expect(parseControl(text)).toEqual({ defaultVersion: '1.2', requires: ['cube'] })
})

test('what Postgres accepts is understood: no "=", no quotes, comments, CRLF, the last one counts', () => {
  const text =
    "DEFAULT_VERSION 'old'\r\n  default_version=1.0-rc # comment\r\nrequires 'plpgsql , Cube,\"UUID-x\"' # two\r\n"
  expect(parseControl(text)).toEqual({ defaultVersion: '1.0-rc', requires: ['plpgsql', 'cube', 'UUID-x'] })
})

test('quotes and backslashes inside strings', () => {
  expect(parseControl(String.raw`default_version = 'it''s \'1\' \101 \n.'`).defaultVersion).toBe("it's '1' A \n.")
})

test('a file without a version has none', () => {
  expect(parseControl("comment = 'default_version = 1'\n# default_version = '2'\n")).toEqual({
    defaultVersion: undefined,
    requires: [],
  })
})
