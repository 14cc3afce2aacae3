import type { Probe } from '../host/answer.ts'
import { type Difference, differenceOf } from '../model/difference.ts'
import { type Digest, hexOf } from '../model/digest.ts'
import type { Tree } from '../model/tree.ts'
import { mergeMembers } from './generation.ts'
import type { Member, Record } from './record.ts'

/** A tree that a host has, by its name there: its folder below `trees/`, or of a manifest alone the digest. */
interface There {
  readonly name: string
  readonly tree: Tree
}

/** What makes a new tree of one that is there: only that travels. */
export interface Like extends Difference {
  readonly name: string
}

/** When more than this part of a tree differs, making it of another is no less work than sending it. */
const worthwhile = 0.5

export function likeOf(there: There | undefined, next: Tree): Like | undefined {
  if (there === undefined) return undefined
  const difference = differenceOf(there.tree, next)
  const size = difference.gone.length + difference.came.size
  return size > worthwhile * next.size ? undefined : { name: there.name, ...difference }
}

/** What the current generation has, for what is new to be made of. */
export interface Likes {
  readonly root?: There | undefined
  readonly live?: There | undefined
  /** By the names of the members. */
  readonly members: ReadonlyMap<string, There>
}

/**
 * A host tells the trees of its members, and only the names of those that they are merged into. So these are computed
 * again; should a version of this package have merged in another way, then the host finds that the digests differ, and
 * gets everything.
 *
 * @param trees of the members, by their digests
 */
export function currentLikes(
  seen: Probe,
  before: Record,
  { trees, home }: { readonly trees: ReadonlyMap<Digest, Tree>; readonly home: string },
): Likes {
  const members = new Map<string, There>()
  for (const { name, treeDigest } of before.members) {
    const tree = trees.get(treeDigest)
    if (tree) members.set(name, { name: hexOf(treeDigest), tree })
  }
  if (members.size < before.members.length) return { members }
  const treeOf = (member: Member) => (members.get(member.name) as There).tree
  const there = (role: 'root' | 'live', tree: Tree): There | undefined => {
    const found = seen.trees.find((one) => one.generation === seen.generation && one.role === role)
    return found && { name: found.name, tree }
  }
  try {
    const merged = mergeMembers(before.members, { layout: before.layout, treeOf, home })
    return { root: there('root', merged.root), live: there('live', merged.live), members }
  } catch {
    // An earlier version allowed what is a conflict now.
    return { members }
  }
}
