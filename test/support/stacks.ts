import fc from 'fast-check'
import type { LayerEntry } from '../../src/layer/entry.ts'
import { flatten } from '../../src/layer/flatten.ts'
import { digestOf } from '../../src/model/digest.ts'
import { parentOf, type Tree } from '../../src/model/tree.ts'

/** One thing that a layer says, as image builders say it. */
export type Step =
  | { readonly do: 'file'; readonly path: string; readonly content: string; readonly executable: boolean }
  | { readonly do: 'directory'; readonly path: string }
  | { readonly do: 'link'; readonly path: string; readonly target: string }
  | { readonly do: 'hardlink'; readonly path: string; readonly target: string }
  | { readonly do: 'whiteout'; readonly path: string }
  | { readonly do: 'opaque'; readonly path: string }

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const target = fc.oneof(
  path,
  path.map((text) => `/${text}`),
  fc.constantFrom('.', '..', '../a', '../../b', 'x/../c'),
)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('file'), path, content: name, executable: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('directory'), path }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hardlink'), path, target: path }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('whiteout'), path }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('opaque'), path }) },
)
const withLinks: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: step },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('link'), path, target }) },
)

const inside = fc.oneof(
  path,
  path.map((text) => `/${text}`),
  fc.constantFrom('.', 'x/../c', 'a/./b', '/'),
)
const withInsideLinks: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: step },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('link'), path, target: inside }) },
)

const stackOf = (steps: fc.Arbitrary<Step>) =>
  fc.array(fc.array(steps, { maxLength: 12 }).map(eachOnce), { minLength: 1, maxLength: 4 })

/** Layers that name each path at most once, in any order, without links between directories. */
export const plainStacks: fc.Arbitrary<Step[][]> = stackOf(step)

/** The same with symbolic links, which other paths may lead through. */
export const stacks: fc.Arbitrary<Step[][]> = stackOf(withLinks)

/** Links that never climb above the stack's own root, so that it means the same in a folder of a larger one. */
export const insideStacks: fc.Arbitrary<Step[][]> = stackOf(withInsideLinks)

export function entryOf(step: Step): LayerEntry {
  if (step.do !== 'file') return { kind: step.do, ...step } as LayerEntry
  const { path, content, executable } = step
  return { kind: 'file', path, digest: digestOf(content), size: content.length, executable }
}

/** The stack without the steps that we refuse after those before them, such as a hardlink to nothing. */
export function withoutRefused(stack: readonly Step[][]): Step[][] {
  const kept: LayerEntry[][] = []
  return stack.map((steps) => {
    const entries: LayerEntry[] = []
    kept.push(entries)
    return steps.filter((one) => {
      const before = flatten(kept, { special: 'strip' })
      // A whiteout below links in a circle hides nothing; umoci gives up.
      if ((one.do === 'whiteout' || one.do === 'opaque') && leadsInCircle(before, one.path)) return false
      entries.push(entryOf(one))
      try {
        flatten(kept, { special: 'strip' })
        return true
      } catch {
        entries.pop()
        return false
      }
    })
  })
}

function leadsInCircle(tree: Tree, path: string): boolean {
  const open = path.split('/').toReversed()
  let at = ''
  for (let hops = 0; open.length > 0; ) {
    const part = open.pop() ?? ''
    if (part === '' || part === '.') continue
    if (part === '..') at = parentOf(at)
    else {
      const next = at === '' ? part : `${at}/${part}`
      const entry = tree.get(next)
      if (entry?.kind !== 'link') at = next
      else {
        hops += 1
        if (hops > 100) return true
        if (entry.target.startsWith('/')) at = ''
        open.push(...entry.target.split('/').toReversed())
      }
    }
  }
  return false
}

/** The same stack in a folder of an image; see {@link insideStacks}. */
export function movedTo(folder: string, stack: readonly Step[][]): Step[][] {
  return stack.map((steps) =>
    steps.map((one): Step => {
      const moved = { ...one, path: `${folder}/${one.path}` }
      if (moved.do === 'hardlink') return { ...moved, target: `${folder}/${moved.target}` }
      if (moved.do !== 'link' || !moved.target.startsWith('/')) return moved
      return { ...moved, target: `/${folder}${moved.target === '/' ? '' : moved.target}` }
    }),
  )
}

function eachOnce(steps: readonly Step[]): Step[] {
  const first = new Map<string, Step>()
  for (const one of steps) {
    const key = one.do === 'whiteout' || one.do === 'opaque' ? `${one.do} ${one.path}` : one.path
    if (!first.has(key)) first.set(key, one)
  }
  return [...first.values()]
}
