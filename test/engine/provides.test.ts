import { expect, test } from 'vitest'
import { provided } from '../../src/engine/provides.ts'

test('a control file says what it provides', () => {
  expect(provided(Buffer.from("default_version = '3.4'\nrequires = 'postgis, fuzzystrmatch'\n"))).toEqual({
    version: '3.4',
    requires: ['postgis', 'fuzzystrmatch'],
  })
})

test('a control file cannot draw on the terminal of who reads a preview', () => {
  const hostile = Buffer.from("default_version = '1\u001b[2J\u202e'\nrequires = '\"a\u0007b\"'\n")
  expect(provided(hostile)).toEqual({ version: '1\\x1b[2J\\u202e', requires: ['a\\x07b'] })
})
