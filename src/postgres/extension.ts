import { ProviderError } from '../model/error.ts'
import { fileBehind } from '../model/links.ts'
import type { Entry, Tree } from '../model/tree.ts'

/** One entry of an extension image, and where it goes in an instance. */
export interface PlacedEntry {
  /** `live/lib/…`, `live/share/…`, `live/system/…` or `root/…`. */
  readonly path: string
  readonly entry: Entry
}

// The roots under which layouts keep modules and shared files: B-field §2.
const libraryRoots = [
  // StackGres has a folder for each minor.
  /^usr\/lib\/postgresql\/\d+(?:\.\d+)*\/lib\//,
  /^usr\/pgsql-\d+\/lib\//,
  /^usr\/lib64\/pgsql\//,
  // What Debian has beside its modules are programs.
  /^(?:.*\/)?lib\/postgresql\/(?!\d+(?:\.\d+)*\/)/,
  /^pgsql\/pkglib\//,
  /^opt\/bitnami\/postgresql\/lib\//,
  // Nix has a prefix for each package, and modules among its libraries.
  /^nix\/store\/[^/]+\/lib\/(?=(?!lib)[^/]+\.so$)/,
  // pgt.dev's packages have modules at the top.
  /^(?=[^/]+\.so$)/,
]
const shareRoots = [
  /^usr\/share\/postgresql\/\d+(?:\.\d+)*\//,
  /^usr\/pgsql-\d+\/share\//,
  /^usr\/share\/pgsql\//,
  /^(?:.*\/)?share\/postgresql\//,
  /^pgsql\/share\//,
  /^opt\/bitnami\/postgresql\/share\//,
  /^(?=extension\/)/,
]
const systemRoots = [
  /^system\//,
  /^pgsql\/lib\//,
  /^usr\/lib64\//,
  /^(?:usr\/)?lib\/(?:[a-z0-9_]+-linux-[a-z]+\/)/,
  /^usr\/lib\//,
]
// CloudNativePG's layout has them at the top, which in other images is a system folder; so these come last.
const topLibrary = /^lib\//
const topShare = /^share\//
// Of PGXN's and pgt.dev's packages also what they say of themselves.
const ignored =
  /^(?:(?:usr\/share\/(?:doc|man|lintian|bug|info|doc-base|locale)|pgsql\/(?:doc|html|man|include|pkginclude|locale)|licenses)(?:\/|$)|(?:trunk\.json|manifest\.json|digests)$)/

/**
 * Finds each file's place, from where it lies in the image; labels are not asked.
 *
 * @param place for less than all of it
 * @throws ProviderError NOT_POSTGRES when there is neither a control file nor a module
 */
export function placeExtension(tree: Tree, image: string, place = placeOf): PlacedEntry[] {
  const placed: PlacedEntry[] = []
  for (const [path, entry] of tree) {
    const to = place(path)
    if (entry.kind === 'directory' || to === undefined) continue
    // A link may lead through /etc/alternatives, which a running server's root does not have: live folders hold what
    // it ends at (Debian's postgis.control, libblas.so.3).
    const real = to.startsWith('live/') ? fileBehind(tree, path)?.entry : entry
    placed.push(real ? { path: to, entry: real } : { path: `root/${path}`, entry })
  }
  const useful = placed.some(
    ({ path }) => /^live\/share\/extension\/[^/]+\.control$/.test(path) || /^live\/lib\/[^/]+\.so$/.test(path),
  )
  if (useful) return placed
  throw new ProviderError(
    'NOT_POSTGRES',
    `Cannot use ${image} as an extension: it holds no control file and no module where any known layout has them; a distribution goes into new Distribution(…)`,
  )
}

/** Where a path of an extension image goes; manuals and the like go nowhere. */
export function placeOf(path: string): string | undefined {
  if (ignored.test(path)) return undefined
  const library = strip(path, libraryRoots)
  if (library !== undefined) return `live/lib/${library}`
  const share = strip(path, shareRoots)
  if (share !== undefined) return `live/share/${share}`
  if (topLibrary.test(path) && !/^lib\/[a-z0-9_]+-linux-/.test(path)) return `live/lib/${path.slice(4)}`
  if (topShare.test(path)) return `live/share/${path.slice(6)}`
  const system = strip(path, systemRoots)
  if (system !== undefined && !system.includes('/') && /\.so(?:\.|$)/.test(system)) return `live/system/${system}`
  return `root/${path}`
}

function strip(path: string, roots: readonly RegExp[]): string | undefined {
  const root = roots.find((one) => one.test(path))
  return root && path.replace(root, '')
}

/** `hstore` of `live/share/extension/hstore.control`; `hstore--1.8.control` only adds to it (extension.c). */
export function extensionName(path: string): string | undefined {
  const [, name] = /^live\/share\/extension\/([^/]+)\.control$/.exec(path) ?? []
  return name?.includes('--') ? undefined : name
}
