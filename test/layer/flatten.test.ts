import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { LayerEntry } from '../../src/layer/entry.ts'
import { flatten } from '../../src/layer/flatten.ts'
import { ProviderError } from '../../src/model/error.ts'
import { parentOf } from '../../src/model/tree.ts'
import { entryOf, plainStacks, type Step, stacks } from '../support/stacks.ts'
import { describeTree, sum } from '../support/tar.ts'

function tryFlatten(stack: readonly Step[][]): string[] | string {
  try {
    return describeTree(
      flatten(
        stack.map((steps) => steps.map(entryOf)),
        { special: 'strip' },
      ),
    )
  } catch (error) {
    expect(error).toBeInstanceOf(ProviderError)
    return 'refused'
  }
}

/** As slow and plain as it can be: a list of paths; a whiteout crosses out what was there before its layer. */
function model(stack: readonly Step[][]): string[] | string {
  let all = new Map<string, string>()
  const below = (path: string, root: string) => root === '' || path.startsWith(`${root}/`)
  for (const steps of stack) {
    const own = new Set<string>()
    for (const step of steps) {
      if (step.do === 'whiteout' || step.do === 'opaque') {
        const hit = (path: string) => (step.do === 'whiteout' && path === step.path) || below(path, step.path)
        all = new Map([...all].filter(([path]) => own.has(path) || !hit(path)))
        continue
      }
      let value = 'd'
      if (step.do === 'file') value = `${step.executable ? '*' : ''} = ${sum(step.content)}`
      if (step.do === 'hardlink') value = all.get(step.target) ?? 'd'
      if (step.do === 'hardlink' && (value === 'd' || step.target === step.path)) return 'refused'
      const parents: string[] = []
      for (let parent = parentOf(step.path); parent !== ''; parent = parentOf(parent)) parents.push(parent)
      if (parents.some((parent) => (all.get(parent) ?? 'd') !== 'd')) return 'refused'
      const before = all.get(step.path)
      if (own.has(step.path) && !(value === 'd' && before === 'd')) return 'refused'
      if (value !== 'd' || before !== 'd') all = new Map([...all].filter(([path]) => !below(path, step.path)))
      for (const parent of [...parents, ...(value === 'd' ? [step.path] : [])]) all.set(parent, 'd')
      all.set(step.path, value)
      for (const path of [step.path, ...parents]) own.add(path)
    }
  }
  return [...all].map(([path, value]) => (value === 'd' ? `${path}/` : `${path}${value}`)).sort()
}

test('flatten agrees with a naive model on random stacks', () => {
  let refused = 0
  fc.assert(
    fc.property(plainStacks, (stack) => {
      const wanted = model(stack)
      if (wanted === 'refused') refused += 1
      expect(tryFlatten(stack)).toEqual(wanted)
    }),
    { numRuns: 3000 },
  )
  // Else the model would only prove that both refuse.
  expect(refused).toBeLessThan(2400)
})

test('a flattened tree has every parent as a directory, nothing below a link or file, and flattens to itself', () => {
  fc.assert(
    fc.property(stacks, (stack) => {
      let tree: ReturnType<typeof flatten>
      try {
        tree = flatten(
          stack.map((steps) => steps.map(entryOf)),
          { special: 'strip' },
        )
      } catch (error) {
        expect(error).toBeInstanceOf(ProviderError)
        return
      }
      for (const path of tree.keys()) {
        const parent = parentOf(path)
        if (parent !== '') expect(tree.get(parent)).toEqual({ kind: 'directory' })
      }
      const again = [...tree].map(([path, entry]) => ({ path, ...entry }) as LayerEntry)
      expect(describeTree(flatten([again], { special: 'strip' }))).toEqual(describeTree(tree))
    }),
    { numRuns: 3000 },
  )
})

test('an empty layer between others changes nothing', () => {
  fc.assert(
    fc.property(stacks, fc.nat(4), (stack, at) => {
      expect(tryFlatten(stack.toSpliced(at, 0, []))).toEqual(tryFlatten(stack))
    }),
  )
})

test('links that lead through millions of directories are given up', () => {
  const target = 'd/../'.repeat(800)
  const entries: LayerEntry[] = [
    { kind: 'directory', path: 'd' },
    ...Array.from(
      { length: 200 },
      (_, index): LayerEntry => ({ kind: 'link', path: `l${index}`, target: `${target}l${index + 1}` }),
    ),
    { kind: 'directory', path: 'l200' },
    ...Array.from({ length: 400 }, (_, index): LayerEntry => ({ kind: 'directory', path: `l0/${index}` })),
  ]
  expect(() => flatten([entries])).toThrow('its links lead through too many directories')
})
