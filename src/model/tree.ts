import { type Digest, digestOf, hexOf } from './digest.ts'

/**
 * One path of a tree. Owners and times are not part of it: on a host all belongs to root (or to the connecting
 * user), and permissions are normalised to "executable or not", so equal content is one object.
 */
export type Entry =
  | { readonly kind: 'directory' }
  | { readonly kind: 'file'; readonly digest: Digest; readonly size: number; readonly executable: boolean }
  | { readonly kind: 'link'; readonly target: string }

/**
 * Relative path without `.`, `..` and empty parts → entry. Parents of every entry are in it as
 * directories.
 */
export type Tree = ReadonlyMap<string, Entry>

const maxPathBytes = 4095
const maxNameBytes = 255
const maxDepth = 256
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const plain = /^[\u0000-\u007f]*$/

/**
 * Normalises a path from a layer: leading `./`, repeated and trailing slashes go; everything that could leave the
 * root or confuse a line-based listing is refused.
 *
 * Backslashes stay: systemd escapes with them (`system-systemd\\x2dcryptsetup.slice`), and only Linux hosts are
 * written to.
 *
 * @returns the path, `''` for the root itself
 * @throws SyntaxError whose message completes "its entry X …"
 */
export function parseTreePath(text: string): string {
  if (text.startsWith('/')) throw new SyntaxError('is absolute')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  if (/[\u0000-\u001f\u007f\ufffd]/.test(text)) throw new SyntaxError('holds control characters or is not UTF-8')
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw new SyntaxError('leaves the root through ".."')
  if (parts.length > maxDepth) throw new SyntaxError(`is more than ${maxDepth} levels deep`)
  if (parts.some((part) => Buffer.byteLength(part) > maxNameBytes)) {
    throw new SyntaxError(`has a name longer than ${maxNameBytes} bytes`)
  }
  const path = parts.join('/')
  if (Buffer.byteLength(path) > maxPathBytes) throw new SyntaxError(`is longer than ${maxPathBytes} bytes`)
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
  return formatLine('', a) === formatLine('', b)
}

/** The name of a file's content in a host's store: hash, and `.x` when executable. Empty files have no object. */
export function objectName(file: { readonly digest: Digest; readonly executable: boolean }): string {
  const hex = hexOf(file.digest)
  return `${hex.slice(0, 2)}/${hex}${file.executable ? '.x' : ''}`
}

/**
 * The manifest of a tree: one sorted line an entry, path, type, mode and content or target, separated by tabs,
 * which {@link parseTreePath} keeps out of paths. Its sha256 is the tree's digest.
 */
export function formatManifest(tree: Tree): string {
  const lines = [...tree].map(([path, entry]) => `${formatLine(path, entry)}\n`)
  // Of ASCII, bytes are in the order of UTF-16, which is the quick one.
  return (lines.every((line) => plain.test(line)) ? lines.sort() : lines.sort(byBytes)).join('')
}

/** As sort(1) and comm(1) of the hosts order lines: by bytes. UTF-16 order is another one above U+FFFF. */
export function byBytes(a: string, b: string): number {
  return plain.test(a) && plain.test(b) ? (a < b ? -1 : a > b ? 1 : 0) : Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** One line of a manifest, without its newline. */
export function formatLine(path: string, entry: Entry): string {
  switch (entry.kind) {
    case 'directory':
      return `${path}\td\t755\t-`
    case 'file':
      return `${path}\tf\t${entry.executable ? '555' : '444'}\t${hexOf(entry.digest)}`
    case 'link':
      return `${path}\tl\t777\t${entry.target}`
  }
}

const digests = new WeakMap<Tree, Digest>()

/** Remembered as long as the tree is: from then on, nobody may change it. */
export function treeDigest(tree: Tree): Digest {
  const digest = digests.get(tree) ?? digestOf(formatManifest(tree))
  digests.set(tree, digest)
  return digest
}
