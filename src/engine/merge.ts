import { ProviderError } from '../model/error.ts'
import { throughLinks } from '../model/links.ts'
import { quote } from '../model/quote.ts'
import { addParents, type Entry, sameEntry, type Tree } from '../model/tree.ts'

/** A member's own files, below `root/` (used by the next start) and `live/` (seen by a running server). */
export interface Placed {
  readonly name: string
  readonly image: string
  readonly tree: Tree
}

export interface Merged {
  readonly root: Tree
  readonly live: Tree
}

export interface MergeOptions {
  /** Absolute path of the instance's live link of this distribution, on the host. */
  readonly livePath: string
  readonly libraryDirectory: string
  readonly shareDirectory: string
}

/**
 * Puts a distribution and its extensions together. The same path with the same content belongs to all who bring
 * it; with other content it is an error that names both sides.
 *
 * @throws ProviderError CONFLICT
 */
export function merge(members: readonly Placed[], options: MergeOptions): Merged {
  const all = new Map<string, Entry>()
  const owner = new Map<string, Placed>()
  for (const member of members) {
    for (const [named, entry] of member.tree) {
      const path = inArea(all, named)
      if (path === undefined) throw conflict(named, owner.get(named), member)
      const there = all.get(path)
      // Debian's packages may still bring /lib/udev, where the distribution has a link from /lib to /usr/lib.
      if (entry.kind === 'directory' && there?.kind === 'link') continue
      if (there !== undefined && !sameEntry(there, entry)) throw conflict(path, owner.get(path), member)
      all.set(path, entry)
      owner.set(path, member)
    }
  }
  const root = new Map<string, Entry>()
  const live = new Map<string, Entry>()
  for (const [path, entry] of all) {
    const slash = path.indexOf('/')
    if (slash < 0) continue
    const area = path.slice(0, slash) === 'root' ? root : live
    area.set(path.slice(slash + 1), entry)
  }
  // A folder that is missing when the server starts is cached as missing for good, so all three are there (EXP-7b).
  for (const directory of ['lib', 'share', 'system']) live.set(directory, { kind: 'directory' })
  link(root, options.libraryDirectory, `${options.livePath}/lib`)
  link(root, options.shareDirectory, `${options.livePath}/share`)
  return { root, live }
}

/** The path with links among its parents followed, inside its area; undefined when they never end. */
function inArea(all: ReadonlyMap<string, Entry>, path: string): string | undefined {
  const slash = path.indexOf('/')
  if (slash < 0) return path
  const area = path.slice(0, slash)
  const found = throughLinks(path.slice(slash + 1), (one) => all.get(`${area}/${one}`))
  return found === undefined ? undefined : `${area}/${found}`
}

function link(root: Map<string, Entry>, path: string, target: string): void {
  addParents(root, path)
  root.set(path, { kind: 'link', target })
}

function conflict(path: string, first: Placed | undefined, second: Placed): ProviderError {
  return new ProviderError(
    'CONFLICT',
    `Cannot install ${quote(second.name)} (${second.image}): its file ${quote(path)} differs from that of ${quote(first?.name ?? '')} (${first?.image ?? ''}); declare only one of them`,
  )
}
