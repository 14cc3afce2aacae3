import { expect, test } from 'vitest'
import { driftOf, findDrift } from '../../src/engine/drift.ts'
import { describeDrift } from '../../src/engine/drift-text.ts'
import { type Deviation, type Probe, parseProbe } from '../../src/host/answer.ts'
import type { Tree } from '../../src/model/tree.ts'

const hash = 'a'.repeat(64)
const line = (side: 'want' | 'have', path: string, more: Partial<Deviation> = {}): Deviation => ({
  side,
  path,
  kind: 'f',
  mode: '444',
  value: hash,
  ...more,
})

/** A host whose live tree deviates so. */
const seenWith = (deviations: readonly Deviation[], more: Partial<Probe> = {}): Probe => ({
  ...parseProbe([
    ['generation', '1'],
    ['shown', '1'],
    ['tree', '1', 'live', 't'],
  ]),
  deviations: new Map([['t', deviations]]),
  ...more,
})

test.each([
  ['missing', [line('want', 'lib/a.so')]],
  ['added', [line('have', 'lib/a.so')]],
  ['modified', [line('want', 'lib/a.so'), line('have', 'lib/a.so', { value: 'b'.repeat(64) })]],
  ['mode', [line('want', 'lib/a.so'), line('have', 'lib/a.so', { mode: '644' })]],
  ['owner', [line('want', 'lib/a.so'), line('have', 'lib/a.so', { mode: '444!1000:1000' })]],
  ['replaced', [line('want', 'lib/a.so'), line('have', 'lib/a.so', { kind: 'l', value: '/etc/passwd' })]],
  ['retargeted', [line('want', 'lib/a', { kind: 'l', value: 'b' }), line('have', 'lib/a', { kind: 'l', value: 'c' })]],
] as const)('%s is told from %j', (kind, deviations) => {
  expect(findDrift(seenWith(deviations)).map((one) => one.kind)).toEqual([kind])
})

test('a file that nobody brings is reported once, by the distribution', () => {
  const extension: Tree = new Map([['live/lib/a.so', { kind: 'directory' }]])
  const drift = findDrift(seenWith([line('have', 'lib/evil.so'), line('want', 'lib/a.so')]))
  expect(driftOf(drift, new Map(), [extension]).map(({ path }) => path)).toEqual(['lib/evil.so'])
})

test('a path cannot draw on the terminal, and a long list is cut with its count', () => {
  const drift = Array.from({ length: 25 }, (_, n) => line('have', `lib/${n}\u001b[2J.so`))
  const lines = describeDrift(findDrift(seenWith(drift)))
  expect(lines).toHaveLength(21)
  expect(lines.at(-1)).toBe('and 5 more')
  expect(lines.join()).not.toContain('\u001b')
})
