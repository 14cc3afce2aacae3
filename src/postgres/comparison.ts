import type { Tree } from '../model/tree.ts'
import { collationChange } from './collation.ts'
import { type FileChanges, treeChanges } from './file-changes.ts'
import type { ImageSide } from './image-side.ts'
import { distributionImpact, extensionImpact, type Impact, type ImpactOptions, preloadOf } from './impact.ts'
import { type PackageChange, packageChanges } from './package-changes.ts'
import { type VersionChange, versionChanges } from './version-changes.ts'

/** What an update of an image changes, for who reviews it. */
export interface Comparison {
  readonly impact: Impact
  readonly versions: readonly VersionChange[]
  /** Absent where the former tree is not known. */
  readonly files: FileChanges | undefined
  /** Of contents that the former image lacks. */
  readonly newBytes: number | undefined
  readonly requires: { readonly added: readonly string[]; readonly removed: readonly string[] }
  /** Libraries that its extensions want in shared_preload_libraries. */
  readonly preload: readonly string[]
  /** What sorts text, when that changes. */
  readonly sorting: string | undefined
  /** Of the system that a distribution brings. */
  readonly packages: readonly PackageChange[]
}

const nothing: Tree = new Map()

/** @param before absent for one that is new */
export function compareImages(
  before: ImageSide | undefined,
  after: ImageSide,
  { server }: Pick<ImpactOptions, 'server'> = {},
): Comparison {
  const tree = before === undefined ? nothing : before.tree
  const { files, newBytes } = (tree && after.tree && treeChanges(tree, after.tree)) ?? {}
  const impactOf = after.server ? distributionImpact : extensionImpact
  const [old, now] = [requiresOf(before), requiresOf(after)]
  return {
    impact: impactOf(before, after, { files, server }),
    versions: versionChanges(before, after),
    files,
    newBytes,
    requires: { added: [...now].filter((name) => !old.has(name)), removed: [...old].filter((name) => !now.has(name)) },
    preload: after.server ? [] : preloadOf(after),
    sorting: before?.server && after.server && collationChange(before.server, after.server),
    packages: packageChanges(before, after),
  }
}

function requiresOf(side: ImageSide | undefined): Set<string> {
  return new Set(
    Object.values(side?.provides ?? {})
      .flatMap(({ requires }) => requires)
      .sort(),
  )
}
