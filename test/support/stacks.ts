import fc from 'fast-check'

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

const stackOf = (steps: fc.Arbitrary<Step>) =>
  fc.array(fc.array(steps, { maxLength: 12 }).map(eachOnce), { minLength: 1, maxLength: 4 })

/** Layers that name each path at most once, in any order, without links between directories. */
export const plainStacks: fc.Arbitrary<Step[][]> = stackOf(step)

/** The same with symbolic links, which other paths may lead through. */
export const stacks: fc.Arbitrary<Step[][]> = stackOf(withLinks)

function eachOnce(steps: readonly Step[]): Step[] {
  const first = new Map<string, Step>()
  for (const one of steps) {
    const key = one.do === 'whiteout' || one.do === 'opaque' ? `${one.do} ${one.path}` : one.path
    if (!first.has(key)) first.set(key, one)
  }
  return [...first.values()]
}
