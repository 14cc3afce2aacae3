import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { type Entry, parentOf, type Tree } from '../model/tree.ts'
import type { LayerEntry } from './entry.ts'

type Leaf = Exclude<Entry, { kind: 'directory' }>
interface Directory {
  readonly kind: 'directory'
  readonly children: Map<string, Node>
  /** Number of the layer that last wrote it; whiteouts hide only what is from below. */
  layer: number
}
type Node = Directory | { readonly kind: 'leaf'; readonly entry: Leaf; readonly layer: number }

/**
 * Applies layers one after another (image-spec, layer.md), without a file system: whiteouts hide only what lower
 * layers brought, hardlinks copy the entry they name, symlinked parents are followed inside the root.
 *
 * @throws ProviderError LAYER_REFUSED
 */
export function flatten(layers: readonly (readonly LayerEntry[])[]): Tree {
  const root: Directory = { kind: 'directory', children: new Map(), layer: 0 }
  layers.forEach((entries, index) => {
    const layer = index + 1
    for (const entry of entries) if (entry.kind === 'whiteout' || entry.kind === 'opaque') hide(root, entry)
    for (const entry of entries) apply(root, entry, layer)
  })
  const tree = new Map<string, Entry>()
  collect(root, '', tree)
  return tree
}

// Whiteouts come first wherever they stand in their layer, so they can only meet what is from below.
function hide(root: Directory, entry: LayerEntry): void {
  const parts = split(entry.path)
  if (entry.kind === 'opaque') {
    find(root, parts)?.children.clear()
    return
  }
  const name = parts.pop()
  if (name !== undefined) find(root, parts)?.children.delete(name)
}

function apply(root: Directory, entry: LayerEntry, layer: number): void {
  if (entry.kind === 'whiteout' || entry.kind === 'opaque') return
  const parent = make(root, split(parentOf(entry.path)), { entry, layer })
  const name = entry.path.slice(entry.path.lastIndexOf('/') + 1)
  const there = parent.children.get(name)
  if (entry.kind === 'directory') {
    if (there?.kind === 'directory') there.layer = layer
    else parent.children.set(name, { kind: 'directory', children: new Map(), layer })
    return
  }
  const leaf = entry.kind === 'hardlink' ? linked(root, entry) : leafOf(entry)
  parent.children.set(name, { kind: 'leaf', entry: leaf, layer })
}

function leafOf(entry: Exclude<LayerEntry, { kind: 'directory' | 'hardlink' | 'whiteout' | 'opaque' }>): Leaf {
  if (entry.kind === 'link') return { kind: 'link', target: entry.target }
  return { kind: 'file', digest: entry.digest, size: entry.size, executable: entry.executable }
}

function linked(root: Directory, entry: { readonly path: string; readonly target: string }): Leaf {
  const parts = split(entry.target)
  const name = parts.pop()
  const node = name === undefined ? undefined : find(root, parts)?.children.get(name)
  if (node?.kind !== 'leaf')
    throw refuse(entry.path, `it is a hardlink to ${quote(entry.target)}, which is no file before it`)
  return node.entry
}

function find(root: Directory, parts: readonly string[]): Directory | undefined {
  return walk(root, parts, undefined)
}

function make(root: Directory, parts: readonly string[], by: { entry: { path: string }; layer: number }): Directory {
  const found = walk(root, parts, by.layer)
  if (found === undefined) throw refuse(by.entry.path, 'one of its parents is no folder')
  return found
}

/** Walks folders and links from the root, makes missing folders when a layer is given; links never leave the root. */
function walk(root: Directory, parts: readonly string[], layer: number | undefined): Directory | undefined {
  const open = [...parts].reverse()
  let path: Directory[] = [root]
  for (let links = 0; open.length > 0; ) {
    const part = open.pop() as string
    const here = path.at(-1) as Directory
    if (part === '' || part === '.') continue
    if (part === '..') {
      if (path.length > 1) path.pop()
      continue
    }
    const child = here.children.get(part)
    if (child?.kind === 'directory') path.push(child)
    else if (child === undefined) {
      if (layer === undefined) return undefined
      const made: Directory = { kind: 'directory', children: new Map(), layer }
      here.children.set(part, made)
      path.push(made)
    } else if (child.entry.kind === 'link') {
      links += 1
      if (links > 255) return undefined
      if (child.entry.target.startsWith('/')) path = [root]
      open.push(...child.entry.target.split('/').reverse())
    } else return undefined
  }
  return path.at(-1)
}

function split(path: string): string[] {
  return path === '' ? [] : path.split('/')
}

function collect(directory: Directory, at: string, tree: Map<string, Entry>): void {
  for (const [name, node] of directory.children) {
    const path = at === '' ? name : `${at}/${name}`
    if (node.kind === 'leaf') tree.set(path, node.entry)
    else {
      tree.set(path, { kind: 'directory' })
      collect(node, path, tree)
    }
  }
}

function refuse(path: string, why: string): ProviderError {
  return new ProviderError('LAYER_REFUSED', `Cannot flatten the layers: entry ${quote(path)}: ${why}`)
}
