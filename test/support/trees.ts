import { digestOf } from '../../src/model/digest.ts'
import { addParents, type Entry, type Tree } from '../../src/model/tree.ts'

/** A tree from lines: `path` is a file with its path as content, `path*` an executable, `path -> target` a link. */
export function treeFrom(...lines: readonly string[]): Tree {
  const tree = new Map<string, Entry>()
  for (const line of lines) {
    const [path = '', target] = line.split(' -> ')
    const name = path.replace(/\*$/, '')
    addParents(tree, name)
    if (target !== undefined) tree.set(name, { kind: 'link', target })
    else tree.set(name, { kind: 'file', digest: digestOf(name), size: name.length, executable: path !== name })
  }
  return tree
}
