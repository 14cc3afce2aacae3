import fc from 'fast-check'
import { expect, test } from 'vitest'
import { installPath, reachable, readScripts, updatePath } from '../../src/postgres/scripts.ts'

const files = (...names: string[]) =>
  readScripts(
    'x',
    names.map((name) => `x--${name}.sql`),
  )

test('names tell what a script does', () => {
  const names = [
    'x--1.0.sql',
    'x--1.0--1.1.sql',
    'x--1--2--3.sql',
    'x_raster--1.sql',
    'x.control',
    'x--1.0.control',
    'y--1.sql',
  ]
  expect(readScripts('x', names)).toEqual({ installable: ['1.0'], updates: [['1.0', '1.1']] })
})

test('the shortest way is taken, and of several that whose last steps come first by their bytes', () => {
  const scripts = files('1--2', '2--3', '3--4', '2--4', '1--b', 'b--5', '1--B', 'B--5')
  expect(updatePath(scripts, '1', '4')).toEqual(['2', '4'])
  expect(updatePath(scripts, '1', '5')).toEqual(['B', '5'])
  expect(updatePath(scripts, '4', '1')).toBeUndefined()
})

test('a new version needs no script of its own, and never passes by a version that has one', () => {
  const scripts = files('1.0', '1.0--1.1', '1.1--1.2', '1.2', '1.2--1.3')
  expect(installPath(scripts, '1.1')).toEqual(['1.0', '1.1'])
  expect(installPath(scripts, '1.3')).toEqual(['1.2', '1.3'])
  expect(installPath(scripts, '2')).toBeUndefined()
})

test('versions that lead to each other are no endless loop', () => {
  expect([...reachable(files('1--2', '2--1', '2--3'), '1')].sort()).toEqual(['1', '2', '3'])
  expect(updatePath(files('1--2', '2--1'), '1', '9')).toBeUndefined()
})

// find_update_path, word for word what it does: Dijkstra over all versions, ties by the name of the version before.
function asPostgres(updates: readonly (readonly [string, string])[], from: string, to: string): string[] | undefined {
  const nodes = [...new Set([from, to, ...updates.flat()])]
  const distance = new Map([[from, 0]])
  const before = new Map<string, string>()
  const open = new Set(nodes)
  for (;;) {
    const near = [...open]
      .filter((one) => distance.has(one))
      .sort((a, b) => Number(distance.get(a)) - Number(distance.get(b)))
    const [next] = near
    if (next === undefined || next === to) break
    open.delete(next)
    const reached = Number(distance.get(next)) + 1
    for (const [start, end] of updates) {
      if (start !== next) continue
      const known = distance.get(end) ?? Number.POSITIVE_INFINITY
      if (reached < known || (reached === known && next < (before.get(end) ?? ''))) {
        distance.set(end, reached)
        before.set(end, next)
      }
    }
  }
  if (!distance.has(to)) return undefined
  const path: string[] = []
  for (let at = to; at !== from; at = before.get(at) as string) path.unshift(at)
  return path
}

test('all graphs: the way that Postgres takes', () => {
  const version = fc.constantFrom('1', '2', '3', '4', '10', 'a', 'B', 'next')
  fc.assert(
    fc.property(fc.array(fc.tuple(version, version), { maxLength: 25 }), version, version, (updates, from, to) => {
      fc.pre(from !== to)
      expect(updatePath({ updates }, from, to)).toEqual(asPostgres(updates, from, to))
    }),
    { numRuns: 2000 },
  )
})

test('all graphs: a new version comes from where it takes the fewest steps, by ways without versions of their own', () => {
  const version = fc.constantFrom('1', '2', '3', '4', '10', 'a', 'B', 'next')
  const graph = fc.record({
    installable: fc.uniqueArray(version, { maxLength: 5 }),
    updates: fc.array(fc.tuple(version, version), { maxLength: 25 }),
  })
  fc.assert(
    fc.property(graph, version, ({ installable, updates }, to) => {
      fc.pre(!installable.includes(to))
      const ways = installable.sort().flatMap((start) => {
        const others = new Set(installable.filter((one) => one !== start))
        const path = asPostgres(
          updates.filter((one) => !one.some((end) => others.has(end))),
          start,
          to,
        )
        return path ? [[start, ...path]] : []
      })
      const [shortest] = ways.sort((a, b) => a.length - b.length)
      expect(installPath({ installable, updates }, to)).toEqual(shortest)
    }),
    { numRuns: 2000 },
  )
})

test('bug: thousands of scripts that all begin one long way took seconds', () => {
  const starts = Array.from({ length: 3000 }, (_, index) => [`s${index}`, `s${index}--0`])
  const way = Array.from({ length: 3999 }, (_, index) => `${index}--${index + 1}`)
  expect(installPath(files(...starts.flat(), ...way), '3999')).toHaveLength(4001)
})
