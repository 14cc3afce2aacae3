import { differenceOf } from '../model/difference.ts'
import { emptyFile } from '../model/manifest.ts'
import { byBytes, objectName, type Tree } from '../model/tree.ts'

/** Files and links of one tree beside those of a former one; folders come and go with what is in them. */
export interface FileChanges {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
  /** How many are the same. */
  readonly same: number
}

/** What makes one tree of another. */
export interface TreeChanges {
  readonly files: FileChanges
  /** Bytes of contents that the former tree lacks; each counts once, as a host has it once. */
  readonly newBytes: number
}

/** Hosts that are alike share their trees, and a distribution has 14,000 files. */
const known = new WeakMap<Tree, WeakMap<Tree, TreeChanges>>()

export function treeChanges(before: Tree, after: Tree): TreeChanges {
  const ofBefore = known.get(before) ?? new WeakMap<Tree, TreeChanges>()
  known.set(before, ofBefore)
  const changes = ofBefore.get(after) ?? { files: fileChanges(before, after), newBytes: newBytes(before, after) }
  ofBefore.set(after, changes)
  return changes
}

function fileChanges(before: Tree, after: Tree): FileChanges {
  const { gone, came } = differenceOf(before, after)
  const isFile = (tree: Tree, path: string) => (tree.get(path)?.kind ?? 'directory') !== 'directory'
  const news = [...came.keys()].filter((path) => isFile(after, path)).sort(byBytes)
  return {
    added: news.filter((path) => !isFile(before, path)),
    removed: gone.filter((path) => isFile(before, path) && !isFile(after, path)).sort(byBytes),
    changed: news.filter((path) => isFile(before, path)),
    same: [...after.keys()].filter((path) => isFile(after, path)).length - news.length,
  }
}

function newBytes(before: Tree, after: Tree): number {
  const there = new Set<string>()
  for (const entry of before.values()) if (entry.kind === 'file') there.add(objectName(entry))
  let sum = 0
  for (const entry of after.values()) {
    if (entry.kind !== 'file' || entry.digest === emptyFile || there.has(objectName(entry))) continue
    there.add(objectName(entry))
    sum += entry.size
  }
  return sum
}
