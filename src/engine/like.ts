import type { Probe } from '../host/answer.ts'
import { type Difference, differenceOf } from '../model/difference.ts'
import { type Digest, hexOf } from '../model/digest.ts'
import type { Tree } from '../model/tree.ts'
import { mergeMembers } from './generation.ts'
import type { Merged } from './merge.ts'
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
  readonly tree: (role: 'root' | 'live') => There | undefined
  readonly member: (name: string) => There | undefined
}

/** A host whose trees are in doubt gets everything. */
export const noLikes: Likes = { tree: () => undefined, member: () => undefined }

/**
 * A host tells the trees of its members, and only the names of those that they are merged into. So these are computed
 * again, when they are wanted; should a version of this package have merged in another way, then the host finds that the
 * digests differ, and gets everything.
 *
 * @param trees of the members, by their digests
 */
export function currentLikes(
  seen: Probe,
  before: Record,
  { trees, home }: { readonly trees: ReadonlyMap<Digest, Tree>; readonly home: string },
): Likes {
  const { members, layout } = before
  const isWhole = members.every(({ treeDigest }) => trees.has(treeDigest))
  const treeOf = ({ treeDigest }: Member) => trees.get(treeDigest) as Tree
  let merged: Merged | undefined
  return {
    tree: (role) => {
      const found = seen.trees.find((one) => one.generation === seen.generation && one.role === role)
      if (found === undefined || !isWhole) return undefined
      try {
        merged ??= mergeMembers(members, { layout, treeOf, home })
      } catch {
        // An earlier version allowed what is a conflict now.
        return undefined
      }
      return { name: found.name, tree: merged[role] }
    },
    member: (name) => {
      const found = members.find((one) => one.name === name)
      const tree = found && trees.get(found.treeDigest)
      return tree && { name: hexOf(found.treeDigest), tree }
    },
  }
}
