import type { Deviation } from '../host/probe.ts'
import { printable } from '../model/quote.ts'
import type { Tree } from '../model/tree.ts'

type DriftKind = 'missing' | 'added' | 'modified' | 'mode' | 'replaced'

/** One thing on a host that is not as declared, with the member's path (`live/lib/vector.so`). */
export interface Drift {
  readonly kind: DriftKind
  readonly path: string
  readonly found: string
}

const meaning: { readonly [K in DriftKind]: (path: string) => string } = {
  missing: (path) => (path.includes('/lib/') ? 'functions of this library fail' : 'what reads it fails'),
  added: () => 'put there by someone else, Postgres may load it',
  modified: (path) => (path.endsWith('.so') ? 'new sessions load other code' : 'new sessions read other content'),
  mode: () => 'permissions or owner were changed',
  replaced: () => 'another kind of file lies there',
}

/** Turns the deviations of one tree into drift, with paths as members know them. */
export function findDrift(area: 'root' | 'live', deviations: readonly Deviation[]): Drift[] {
  const want = new Map<string, Deviation>()
  const have = new Map<string, Deviation>()
  for (const one of deviations) (one.side === 'want' ? want : have).set(one.path, one)
  return [...new Set([...want.keys(), ...have.keys()])].sort().map((path) => ({
    path: `${area}/${path}`,
    ...compare(want.get(path), have.get(path)),
  }))
}

function compare(want: Deviation | undefined, have: Deviation | undefined): { kind: DriftKind; found: string } {
  if (want === undefined) return { kind: 'added', found: '' }
  if (have === undefined) return { kind: 'missing', found: '' }
  if (want.kind !== have.kind) return { kind: 'replaced', found: have.kind }
  if (want.value !== have.value) return { kind: 'modified', found: have.value }
  return { kind: 'mode', found: have.mode }
}

/** The part of the drift that is one member's: paths it brings. What nobody brings is the distribution's. */
export function driftOf(drift: readonly Drift[], own: Tree, others: readonly Tree[]): Drift[] {
  return drift.filter(({ path }) => own.has(path) || !others.some((tree) => tree.has(path)))
}

/** Lines for a person: what, where, what it means, what `up` will do. At most `limit` lines and a count. */
export function describeDrift(drift: readonly Drift[], limit = 20): string[] {
  const lines = drift.slice(0, limit).map(({ kind, path, found }) => {
    const detail = kind === 'modified' && /^[0-9a-f]{64}$/.test(found) ? ` (now sha256 ${found.slice(0, 12)})` : ''
    const repair = kind === 'added' ? 'up removes it' : 'up restores it'
    return `${kind} ${printable(path.slice(path.indexOf('/') + 1))}${detail}: ${meaning[kind](path)}; ${repair}`
  })
  return drift.length > limit ? [...lines, `and ${drift.length - limit} more`] : lines
}
