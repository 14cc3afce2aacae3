import fc from 'fast-check'
import { expect, test } from 'vitest'
import { differenceOf } from '../../src/model/difference.ts'
import { digestOf } from '../../src/model/digest.ts'
import { addParents, type Entry, type Tree, treeDigest } from '../../src/model/tree.ts'

const path = fc
  .array(fc.constantFrom('a', 'b', 'c', '-rf', 'é'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.constant<Entry>({ kind: 'directory' }),
  path.map((target): Entry => ({ kind: 'link', target })),
  fc.boolean().map((executable): Entry => ({ kind: 'file', digest: digestOf('x'), size: 1, executable })),
)
/** As trees are: what lies below something lies below directories. */
const tree: fc.Arbitrary<Tree> = fc.array(fc.tuple(path, entry), { maxLength: 12 }).map((entries) => {
  const made = new Map<string, Entry>()
  for (const [at, one] of entries) {
    const isBelowOther = [...made].some(([other, { kind }]) => kind !== 'directory' && at.startsWith(`${other}/`))
    if (isBelowOther || made.has(at)) continue
    made.set(at, one)
    addParents(made, at)
  }
  return made
})

test('what differs makes one tree of another, as a host does it: rm -rf of what is gone, then what came', () => {
  fc.assert(
    fc.property(tree, tree, (before, after) => {
      const { gone, came } = differenceOf(before, after)
      const made = new Map(before)
      for (const one of gone) for (const at of [...made.keys()]) if (`${at}/`.startsWith(`${one}/`)) made.delete(at)
      for (const [at, one] of came) {
        addParents(made, at)
        made.set(at, one)
      }
      expect(treeDigest(made)).toBe(treeDigest(after))
    }),
  )
})

test('of a tree and itself nothing differs', () => {
  fc.assert(fc.property(tree, (one) => void expect(differenceOf(one, one)).toEqual({ gone: [], came: new Map() })))
})
