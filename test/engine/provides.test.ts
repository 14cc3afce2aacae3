import { expect, test } from 'vitest'
import { providesOf } from '../../src/engine/provides.ts'
import { parseControl } from '../../src/postgres/control.ts'

const scripts = { installable: [], updates: [] }
const one = (control: string, secondary: Record<string, string> = {}) => ({
  ...{ control: parseControl(control), scripts },
  secondary: Object.fromEntries(Object.entries(secondary).map(([version, text]) => [version, parseControl(text)])),
})

test('a control file says what it provides, and a secondary one what else its version requires', () => {
  const postgis = one("default_version = '3.4'\nrequires = 'postgis'\n", {
    '3.4': "requires = 'b'",
    '3.3': "requires = 'c'",
  })
  const plain = one("default_version = '1'\nrequires = 'postgis, fuzzystrmatch'\n", { '2': "requires = 'c'" })
  expect(providesOf({ extensions: { postgis, plain } })).toEqual({
    postgis: { version: '3.4', requires: ['b'] },
    plain: { version: '1', requires: ['postgis', 'fuzzystrmatch'] },
  })
})

test('a control file cannot draw on the terminal of who reads a preview', () => {
  const hostile = one("default_version = '1\u001b[2J\u202e'\nrequires = '\"a\u0007b\"'\n")
  expect(providesOf({ extensions: { 'x\u001b': hostile } })).toEqual({
    'x\\x1b': { version: '1\\x1b[2J\\u202e', requires: ['a\\x07b'] },
  })
})
