import type { Probe } from '../host/answer.ts'
import { hexOf } from '../model/digest.ts'
import { type Tree, treeDigest } from '../model/tree.ts'
import { noDistribution, sameMembers } from './declare.ts'
import { lately } from './lately.ts'
import { type Merged, merge } from './merge.ts'
import { objectsOf } from './objects.ts'
import { distributionName, type Member, type Record } from './record.ts'
import { liveKey } from './resource.ts'

interface ChosenTree {
  /** Folder below `trees/`. */
  readonly name: string
  readonly tree: Tree
  readonly isNew: boolean
}

/** What the next generation of an instance is: pure, from what is there and what is declared. */
export interface Generation {
  readonly number: number
  /** Key of the distribution: its live link's name. */
  readonly key: string
  readonly layout: Record['layout']
  readonly root: ChosenTree
  readonly live: ChosenTree
  /** Whether the host has exactly this already. */
  readonly isCurrent: boolean
}

/**
 * @param treeOf the placed tree of each member
 * @param place for messages
 * @throws ProviderError CONFLICT when two members bring the same path with other content
 */
export function planGeneration(
  seen: Probe,
  declared: {
    readonly before: Record | undefined
    readonly members: readonly Member[]
    readonly layout: Record['layout'] | undefined
    readonly treeOf: (member: Member) => Tree
  },
  where: { readonly home: string; readonly place: string },
): Generation {
  const { before, members, layout, treeOf } = declared
  const distribution = members.find(({ name }) => name === distributionName)
  if (layout === undefined || distribution === undefined) throw noDistribution(where.place)
  const key = liveKey(distribution)
  const merged = mergeMembers(members, { layout, treeOf, home: where.home })
  const root = chooseTree(merged.root, seen, 'root')
  const live = chooseTree(merged.live, seen, 'live')
  const current = new Map(seen.trees.filter((one) => one.generation === seen.generation).map((one) => [one.role, one]))
  const isCurrent =
    before !== undefined &&
    seen.store.length === 0 &&
    seen.bad.size === 0 &&
    sameMembers(before.members, members) &&
    root.name === current.get('root')?.name &&
    live.name === current.get('live')?.name
  return { number: seen.last + 1, key, layout, root, live, isCurrent }
}

/** The trees of an instance that declares these members, the distribution among them. */
export function mergeMembers(
  members: readonly Member[],
  from: { readonly layout: Record['layout']; readonly treeOf: (member: Member) => Tree; readonly home: string },
): Merged {
  const { layout, treeOf, home } = from
  const distribution = members.find(({ name }) => name === distributionName) as Member
  const placed = presentMembers(members).map((one) => ({ name: one.name, image: one.image, tree: treeOf(one) }))
  const livePath = `${home}/live/${liveKey(distribution)}`
  const key = JSON.stringify([placed.map(({ name, image, tree }) => [name, image, treeDigest(tree)]), livePath, layout])
  return merges(key, () => merge(placed, { livePath, ...layout }))
}

const merges = lately<Merged>(8)

/** Those whose files are in the trees: what was built for another major waits, declared, until its own update comes. */
export function presentMembers(members: readonly Member[]): Member[] {
  const distribution = members.find(({ name }) => name === distributionName)
  return members.filter(({ major }) => major === undefined || major === distribution?.major)
}

/** A tree that is whole is used again; a damaged one is never written to, but gets a new one beside it. */
function chooseTree(tree: Tree, seen: Probe, role: string): ChosenTree {
  const hex = hexOf(treeDigest(tree))
  const same = seen.trees.filter((one) => one.name.startsWith(hex))
  // An object without a tree would be collected as garbage, so one that is sent again needs a new tree.
  const isShort = seen.bad.size > 0 && [...objectsOf([tree]).keys()].some((name) => seen.bad.has(name))
  const usable = same.filter((one) => one.role === role && !isShort && !seen.deviations.has(one.name))
  // Those of former generations were not looked at, and where one is damaged the others share its files.
  const isDamaged = same.some(({ name }) => seen.deviations.has(name))
  const whole = usable.find(({ generation }) => generation === seen.shown) ?? (isDamaged ? undefined : usable.at(-1))
  if (whole) return { name: whole.name, tree, isNew: false }
  // Trees of other instances and of killed pushes have their names too, and those may be numbered differently.
  const taken = new Set(same.map(({ name }) => name))
  let number = seen.last + 1
  while (taken.has(`${hex}-${number}`)) number += 1
  return { name: taken.size > 0 ? `${hex}-${number}` : hex, tree, isNew: true }
}
