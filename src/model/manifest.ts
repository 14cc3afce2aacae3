import { type Digest, digestFromHex, digestOf } from './digest.ts'
import { type Entry, parseTreePath, type Tree } from './tree.ts'

export const emptyFile: Digest = digestOf('')

/**
 * Reads what `formatManifest` wrote. Sizes are not part of a manifest, so files come back with size 0; whether a
 * file is empty is told by its digest.
 *
 * @throws SyntaxError when a line is no manifest line
 */
export function parseManifest(text: string): Tree {
  const tree = new Map<string, Entry>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [path = '', kind, mode, ...rest] = line.split('\t')
    tree.set(parseTreePath(path), parseEntry(kind, mode, rest.join('\t')))
  }
  return tree
}

function parseEntry(kind: string | undefined, mode: string | undefined, value: string): Entry {
  if (kind === 'd') return { kind: 'directory' }
  if (kind === 'l') return { kind: 'link', target: value }
  if (kind === 'f') return { kind: 'file', digest: digestFromHex(value), size: 0, executable: mode === '555' }
  throw new SyntaxError('Cannot parse a manifest: unknown kind of line')
}
