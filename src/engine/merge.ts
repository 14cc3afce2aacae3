import { ProviderError } from '../model/error.ts'
import { throughLinks } from '../model/links.ts'
import { quote } from '../model/quote.ts'
import { addParents, type Entry, sameEntry, type Tree } from '../model/tree.ts'
import { onceFor } from './once.ts'

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
 * Puts a distribution, the first, and its extensions together. The same path with the same content belongs to all who
 * bring it; with other content it is an error that names both sides.
 *
 * @throws ProviderError CONFLICT
 */
export function merge([first, ...others]: readonly Placed[], options: MergeOptions): Merged {
  if (first === undefined) throw new RangeError('Cannot merge nothing')
  const base = mergedOnce(first.tree, JSON.stringify(options), () => {
    const all = allOf(first)
    return { root: areaOf('root', all, { options }), live: areaOf('live', all, { options }) }
  })
  const added = lay(others, { all: allOf(first), of: first })
  return {
    root: areaOf('root', added, { on: base.root, options }),
    live: areaOf('live', added, { on: base.live, options }),
  }
}

/** Whether they go together, the distribution first: throws what {@link merge} would. */
export function refuseConflicts([first, ...others]: readonly Placed[]): void {
  if (first) lay(others, { all: allOf(first), of: first })
}

// A distribution has ten thousands of paths, to which extensions add a few.
const mergedOnce = onceFor<Tree>()
const allOf = (first: Placed) => mergedOnce(first.tree, 'all', () => lay([first], { all: new Map(), of: first }))

/** What members add to what is there already. */
function lay(members: readonly Placed[], there: { readonly all: ReadonlyMap<string, Entry>; readonly of: Placed }) {
  const added = new Map<string, Entry>()
  const owner = new Map<string, Placed>()
  const at = (path: string) => added.get(path) ?? there.all.get(path)
  for (const member of members) {
    for (const [named, entry] of member.tree) {
      const path = inArea(at, named)
      if (path === undefined) throw conflict(named, owner.get(named) ?? there.of, member)
      const found = at(path)
      // Debian's packages may still bring /lib/udev, where the distribution has a link from /lib to /usr/lib.
      if (found !== undefined && entry.kind === 'directory' && found.kind === 'link') continue
      if (found !== undefined && !sameEntry(found, entry)) throw conflict(path, owner.get(path) ?? there.of, member)
      if (found !== undefined) continue
      added.set(path, entry)
      owner.set(path, member)
    }
  }
  return added
}

/** @param from.on the same area without them; when they add nothing there, it is that very tree */
function areaOf(
  area: 'root' | 'live',
  added: ReadonlyMap<string, Entry>,
  { on, options }: { readonly on?: Tree; readonly options: MergeOptions },
): Tree {
  const own = [...added].flatMap(([path, entry]): [string, Entry][] =>
    path.startsWith(`${area}/`) ? [[path.slice(area.length + 1), entry]] : [],
  )
  if (on && own.length === 0) return on
  const tree = new Map([...(on ?? []), ...own])
  if (area === 'root') {
    link(tree, options.libraryDirectory, `${options.livePath}/lib`)
    link(tree, options.shareDirectory, `${options.livePath}/share`)
  } else {
    // A folder that is missing when the server starts is cached as missing for good, so all three are there (EXP-7b).
    for (const directory of ['lib', 'share', 'system']) tree.set(directory, { kind: 'directory' })
  }
  return tree
}

/** The path with links among its parents followed, inside its area; undefined when they never end. */
function inArea(at: (path: string) => Entry | undefined, path: string): string | undefined {
  const slash = path.indexOf('/')
  if (slash < 0) return path
  const area = path.slice(0, slash)
  const found = throughLinks(path.slice(slash + 1), (one) => at(`${area}/${one}`))
  return found === undefined ? undefined : `${area}/${found}`
}

function link(root: Map<string, Entry>, path: string, target: string): void {
  addParents(root, path)
  root.set(path, { kind: 'link', target })
}

function conflict(path: string, first: Placed, second: Placed): ProviderError {
  return new ProviderError(
    'CONFLICT',
    `Cannot install ${quote(second.name)} (${second.image}): its file ${quote(path)} differs from that of ${quote(first.name)} (${first.image}); declare only one of them`,
  )
}
