import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { type Entry, nameOf, parentOf, parseTreePath, type Tree } from '../model/tree.ts'
import type { LayerEntry, Special } from './entry.ts'
import { type Directory, type Leaf, newDirectory, Walker } from './nodes.ts'

/**
 * Applies layers one after another (image-spec, layer.md), without a file system: whiteouts hide what lower layers
 * brought, wherever they stand in their layer; a hardlink is the entry that it names, whatever becomes of that name
 * later; links on the way to an entry are followed inside the root. Where tools differ, umoci decides.
 *
 * @param options.special `refuse` also refuses links that climb out of the root through `..`, which the root of a
 *   whole operating system stops, but an extension's new place does not
 * @throws ProviderError LAYER_REFUSED, LIMIT_EXCEEDED
 */
export function flatten(
  layers: readonly (readonly LayerEntry[])[],
  options: { readonly special: Special } = { special: 'refuse' },
): Tree {
  const walker = new Walker()
  layers.forEach((entries, index) => {
    for (const entry of entries) apply(walker, entry, index + 1)
  })
  const tree = new Map<string, Entry>()
  collect(walker.root, '', tree)
  if (options.special === 'refuse') refuseClimbing(tree)
  return tree
}

function apply(walker: Walker, entry: LayerEntry, layer: number): void {
  if (entry.kind === 'opaque') {
    const directory = walker.find(split(entry.path))
    if (directory !== undefined) prune(directory, layer)
    return
  }
  const name = nameOf(entry.path)
  if (entry.kind === 'whiteout') {
    hide(walker.find(split(parentOf(entry.path))), name, layer)
    return
  }
  // Looked up before parents are made: a link never names what comes into being for it.
  const leaf = entry.kind === 'directory' ? undefined : leafOf(walker, entry, layer)
  const parent = walker.make(split(parentOf(entry.path)), layer)
  if (parent === undefined) throw refuse(entry.path, 'lies below something that is no directory')
  const there = parent.children.get(name)
  if (leaf === undefined && there?.kind === 'directory') there.layer = layer
  else if (there?.layer === layer) throw refuse(entry.path, 'is there twice in a layer, by two names')
  else parent.children.set(name, leaf ?? newDirectory(layer))
}

function leafOf(
  walker: Walker,
  entry: Exclude<LayerEntry, { kind: 'directory' | 'whiteout' | 'opaque' }>,
  layer: number,
): Leaf {
  if (entry.kind === 'link') return { kind: 'leaf', layer, entry: { kind: 'link', target: entry.target } }
  if (entry.kind === 'file') {
    const { digest, size, executable } = entry
    return { kind: 'leaf', layer, entry: { kind: 'file', digest, size, executable } }
  }
  const node = walker.find(split(parentOf(entry.target)))?.children.get(nameOf(entry.target))
  if (node?.kind === 'leaf' && entry.target !== entry.path) return { ...node, layer }
  throw refuse(entry.path, `is a hardlink to ${quote(entry.target)}, which is no file before it`)
}

function hide(directory: Directory | undefined, name: string, layer: number): void {
  const there = directory?.children.get(name)
  if (there === undefined) return
  if (there.layer < layer) directory?.children.delete(name)
  else if (there.kind === 'directory') prune(there, layer)
}

/** Each directory once a layer: many whiteouts of one place must not cost more than one (GHSA-rp3h-jf77-q9p4). */
function prune(directory: Directory, layer: number): void {
  if (directory.pruned === layer) return
  directory.pruned = layer
  for (const name of [...directory.children.keys()]) hide(directory, name, layer)
}

function collect(directory: Directory, at: string, tree: Map<string, Entry>): void {
  for (const [name, node] of directory.children) {
    const path = at === '' ? name : `${at}/${name}`
    checkPath(path)
    tree.set(path, node.kind === 'leaf' ? node.entry : { kind: 'directory' })
    if (node.kind === 'directory') collect(node, path, tree)
  }
}

/** Every name was checked with its entry, but links on the way can have made a longer path. */
function checkPath(path: string): void {
  try {
    parseTreePath(path)
  } catch (error) {
    throw refuse(path, (error as Error).message)
  }
}

function refuseClimbing(tree: Tree): void {
  for (const [path, entry] of tree) {
    if (entry.kind !== 'link' || entry.target.startsWith('/')) continue
    let depth = path.split('/').length - 1
    for (const part of entry.target.split('/')) {
      if (part === '..') depth -= 1
      else if (part !== '' && part !== '.') depth += 1
      if (depth < 0) throw refuse(path, `is a link to ${quote(entry.target)}, which leaves the root through ".."`)
    }
  }
}

function split(path: string): string[] {
  return path === '' ? [] : path.split('/')
}

function refuse(path: string, why: string): ProviderError {
  return new ProviderError(
    'LAYER_REFUSED',
    `Cannot flatten the layers of an image: its entry ${quote(path)} ${why}; build the image again`,
  )
}
