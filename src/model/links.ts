import type { Entry, Tree } from './tree.ts'

const maxLinks = 40

/**
 * Where a path leads to when the links among its folders are followed, inside a root that `..` and absolute targets do
 * not leave.
 *
 * @param entryAt what is at a path, if anything
 * @param options.last whether a link at the end is followed too
 * @returns undefined when links never end
 */
export function throughLinks(
  path: string,
  entryAt: (path: string) => Entry | undefined,
  { last = false }: { readonly last?: boolean } = {},
): string | undefined {
  const open = path.split('/')
  const done: string[] = []
  for (let links = 0; open.length > 0; ) {
    const part = open.shift() as string
    if (part === '..') done.pop()
    if (part === '' || part === '.' || part === '..') continue
    done.push(part)
    const entry = open.length > 0 || last ? entryAt(done.join('/')) : undefined
    if (entry?.kind !== 'link') continue
    links += 1
    if (links > maxLinks) return undefined
    if (entry.target.startsWith('/')) done.length = 0
    else done.pop()
    open.unshift(...entry.target.split('/'))
  }
  return done.join('/')
}

/** The file that a path of a tree leads to, and where that lies. */
export function fileBehind(
  tree: Tree,
  path: string,
): { readonly path: string; readonly entry: Extract<Entry, { kind: 'file' }> } | undefined {
  const end = throughLinks(path, (one) => tree.get(one), { last: true })
  const entry = end === undefined ? undefined : tree.get(end)
  return end !== undefined && entry?.kind === 'file' ? { path: end, entry } : undefined
}
