import type { Digest } from '../model/digest.ts'
import { emptyFile } from '../model/manifest.ts'
import { objectName, type Tree } from '../model/tree.ts'

/** A file of a host's store: content and permission make its name. */
export interface StoreObject {
  readonly name: string
  readonly digest: Digest
}

/** The objects that trees are made of, each once. Empty files have none. */
export function objectsOf(trees: Iterable<Tree>): ReadonlyMap<string, StoreObject> {
  const each = [...trees].map(objectsOfOne)
  const [first] = each
  return each.length === 1 && first ? first : new Map(each.flatMap((objects) => [...objects]))
}

const known = new WeakMap<Tree, ReadonlyMap<string, StoreObject>>()

function objectsOfOne(tree: Tree): ReadonlyMap<string, StoreObject> {
  const found = known.get(tree)
  if (found) return found
  const made = new Map<string, StoreObject>()
  for (const entry of tree.values()) {
    if (entry.kind !== 'file' || entry.digest === emptyFile) continue
    const name = objectName(entry)
    made.set(name, { name, digest: entry.digest })
  }
  known.set(tree, made)
  return made
}

export function namesByDigest(objects: Iterable<StoreObject>): Map<Digest, Set<string>> {
  const result = new Map<Digest, Set<string>>()
  for (const { name, digest } of objects) result.set(digest, (result.get(digest) ?? new Set()).add(name))
  return result
}

/** Takes from `wanted` what a tree brings. */
export function takeOwn(wanted: Map<Digest, ReadonlySet<string>>, tree: Tree): Map<Digest, ReadonlySet<string>> {
  const own = new Map<Digest, ReadonlySet<string>>()
  if (wanted.size === 0) return own
  for (const entry of tree.values()) {
    const names = entry.kind === 'file' ? wanted.get(entry.digest) : undefined
    if (entry.kind !== 'file' || names === undefined) continue
    own.set(entry.digest, names)
    wanted.delete(entry.digest)
  }
  return own
}

/** What objects take on a disk that has no blocks; `tree` is where they come from. */
export function bytesOf(objects: ReadonlyMap<Digest, ReadonlySet<string>>, tree: Tree): number {
  const sizes = new Map<Digest, number>()
  for (const entry of tree.values()) if (entry.kind === 'file') sizes.set(entry.digest, entry.size)
  return [...objects].reduce((sum, [digest, names]) => sum + (sizes.get(digest) ?? 0) * names.size, 0)
}
