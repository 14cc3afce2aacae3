import type { Deviation, Probe } from '../host/answer.ts'
import type { Tree } from '../model/tree.ts'

export const driftKinds = [
  'missing',
  'added',
  'modified',
  'mode',
  'owner',
  'retargeted',
  'replaced',
  'damaged',
  'generation',
] as const

type DriftKind = (typeof driftKinds)[number]

/** One thing on a host that is not as declared. */
export interface Drift {
  readonly kind: DriftKind
  /** What it is part of: the tree of the next start, the tree that a running server sees, or the store's own files. */
  readonly area: 'root' | 'live' | 'store'
  /** Below the tree; of the store's own, below its folder. */
  readonly path: string
  /** What is there instead: a hash, a target, a mode, an owner, a kind of file. Empty where that tells nothing. */
  readonly found: string
  /** The package that knows the path. */
  readonly package?: string | undefined
}

/** All that is not as the host's own record says, sorted by area and path. */
export function findDrift(seen: Probe): Drift[] {
  const inTrees = currentTrees(seen).flatMap(({ area, name }) => [
    ...pair(seen.deviations.get(name) ?? [], area).map((one) => {
      const by = seen.packages.get(one.path)
      return by === undefined ? one : { ...one, package: by }
    }),
    ...countMore(seen.more.get(name), area),
  ])
  return [...wrongGeneration(seen), ...pair(seen.store, 'store'), ...damaged(seen), ...inTrees]
}

/** Files that differ in a tree are told there, and not once more as objects. */
function damaged(seen: Probe): Drift[] {
  const told = new Set([...seen.deviations.values()].flat().map(({ side, value }) => side === 'want' && value))
  return [...seen.bad]
    .filter((name) => !told.has(name.slice(3, 67)))
    .sort()
    .map((name) => ({
      ...{ kind: 'damaged', area: 'store', found: '' },
      path: name.startsWith('manifests/') ? name : `objects/${name}`,
    }))
}

/** The two trees that the instance uses. */
export function currentTrees(seen: Probe): { readonly area: 'root' | 'live'; readonly name: string }[] {
  return seen.trees
    .filter(({ generation }) => generation === seen.shown && generation !== 0)
    .map(({ role, name }) => ({ area: role === 'root' ? 'root' : 'live', name }))
}

/** The highest generation that was ever current. */
function newestGeneration(seen: Probe): number {
  return Math.max(seen.generation, ...seen.trees.map(({ generation }) => generation))
}

function wrongGeneration(seen: Probe): Drift[] {
  const newest = newestGeneration(seen)
  if (seen.generation === 0 || seen.generation === newest) return []
  return [{ kind: 'generation', area: 'store', path: `generation ${seen.generation}`, found: String(newest) }]
}

function countMore(count: number | undefined, area: 'root' | 'live'): Drift[] {
  return count ? [{ kind: 'added', area, path: `and ${count} more files`, found: '' }] : []
}

function pair(deviations: readonly Deviation[], area: Drift['area']): Drift[] {
  const want = new Map<string, Deviation>()
  const have = new Map<string, Deviation>()
  for (const one of deviations) (one.side === 'want' ? want : have).set(one.path, one)
  return [...new Set([...want.keys(), ...have.keys()])]
    .sort()
    .map((path) => ({ area, path, ...compare(want.get(path), have.get(path)) }))
}

function compare(want: Deviation | undefined, have: Deviation | undefined): { kind: DriftKind; found: string } {
  if (want === undefined) return { kind: 'added', found: '' }
  if (have === undefined) return { kind: 'missing', found: '' }
  if (want.kind !== have.kind) return { kind: 'replaced', found: have.kind }
  if (want.value !== have.value) return { kind: want.kind === 'l' ? 'retargeted' : 'modified', found: have.value }
  const [mode, owner] = have.mode.split('!')
  return owner === undefined ? { kind: 'mode', found: mode ?? '' } : { kind: 'owner', found: owner }
}

/** The path of a drift as members know it: `live/lib/vector.so`. */
export function memberPath({ area, path }: Drift): string {
  return `${area}/${path}`
}

/** The part of the drift that is one member's: paths it brings. What nobody brings is the distribution's. */
export function driftOf(drift: readonly Drift[], own: Tree, others: readonly Tree[]): Drift[] {
  return drift.filter((one) => own.has(memberPath(one)) || !others.some((tree) => tree.has(memberPath(one))))
}
