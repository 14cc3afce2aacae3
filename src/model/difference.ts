import { type Entry, sameEntry, type Tree } from './tree.ts'

/** What makes one tree of another: first goes all that is gone, with what lies below it, then comes what came. */
export interface Difference {
  /** Paths of the one that the other lacks, or has as something else. */
  readonly gone: readonly string[]
  readonly came: Tree
}

export function differenceOf(before: Tree, after: Tree): Difference {
  const gone = [...before].filter(([path, entry]) => !sameEntry(entry, after.get(path))).map(([path]) => path)
  const came = new Map<string, Entry>()
  for (const [path, entry] of after) if (!sameEntry(entry, before.get(path))) came.set(path, entry)
  return { gone, came }
}
