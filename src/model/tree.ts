import { type Digest, digestOf, hexOf } from './digest.ts'
import { ProviderError } from './error.ts'
import { quote } from './quote.ts'

/**
 * One path of a tree. Owners and times are not part of it: on a host all belongs to root (or to the connecting
 * user), and permissions are normalised to "executable or not", so equal content is one object.
 */
export type Entry =
  | { readonly kind: 'directory' }
  | { readonly kind: 'file'; readonly digest: Digest; readonly size: number; readonly executable: boolean }
  | { readonly kind: 'link'; readonly target: string }

/** Relative path without `.`, `..` and empty parts → entry. Parents of every entry are in it as directories. */
export type Tree = ReadonlyMap<string, Entry>

const maxPathBytes = 4096
const maxNameBytes = 255
const maxDepth = 256

/**
 * Normalises a path from a layer: leading `./`, repeated and trailing slashes go; everything that could leave the
 * root or confuse a line-based listing is refused.
 *
 * @returns the path, `''` for the root itself
 * @throws ProviderError LAYER_REFUSED
 */
export function parseTreePath(text: string): string {
  const refuse = (why: string) =>
    new ProviderError('LAYER_REFUSED', `Cannot use the path ${quote(text)} of a layer: ${why}`)
  if (text.startsWith('/')) throw refuse('it is absolute')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  if (/[\u0000-\u001f\u007f\ufffd]/.test(text)) throw refuse('it holds control characters or is not UTF-8')
  if (text.includes('\\')) throw refuse('it holds a backslash')
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw refuse('it leaves the root through ".."')
  if (parts.length > maxDepth) throw refuse(`it is more than ${maxDepth} levels deep`)
  if (parts.some((part) => Buffer.byteLength(part) > maxNameBytes)) {
    throw refuse(`one of its names is longer than ${maxNameBytes} bytes`)
  }
  const path = parts.join('/')
  if (Buffer.byteLength(path) > maxPathBytes) throw refuse(`it is longer than ${maxPathBytes} bytes`)
  return path
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Adds the missing parents of `path` as directories. An entry of another kind in the way is the caller's to refuse. */
export function addParents(tree: Map<string, Entry>, path: string): void {
  for (let parent = parentOf(path); parent !== '' && !tree.has(parent); parent = parentOf(parent)) {
    tree.set(parent, { kind: 'directory' })
  }
}

export function sameEntry(a: Entry | undefined, b: Entry | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return formatEntry('', a) === formatEntry('', b)
}

/** The name of a file's content in a host's store: hash, and `.x` when executable. Empty files have no object. */
export function objectName(file: { readonly digest: Digest; readonly executable: boolean }): string {
  const hex = hexOf(file.digest)
  return `${hex.slice(0, 2)}/${hex}${file.executable ? '.x' : ''}`
}

/**
 * The manifest of a tree: one sorted line an entry, `type mode path NUL-free fields`, separated by tabs, which
 * {@link parseTreePath} keeps out of paths. Its sha256 is the tree's digest.
 */
export function formatManifest(tree: Tree): string {
  return [...tree]
    .map(([path, entry]) => formatEntry(path, entry))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((line) => `${line}\n`)
    .join('')
}

function formatEntry(path: string, entry: Entry): string {
  switch (entry.kind) {
    case 'directory':
      return `${path}\td\t755\t-`
    case 'file':
      return `${path}\tf\t${entry.executable ? '555' : '444'}\t${hexOf(entry.digest)}`
    case 'link':
      return `${path}\tl\t777\t${entry.target}`
  }
}

export function treeDigest(tree: Tree): Digest {
  return digestOf(formatManifest(tree))
}
