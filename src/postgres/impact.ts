import { nameOf } from '../model/tree.ts'
import { collationChange } from './collation.ts'
import type { ImageFacts } from './facts.ts'
import type { FileChanges } from './file-changes.ts'
import { shownPath, some } from './finding.ts'
import type { ImageSide } from './image-side.ts'
import { preloadLibraries } from './preload.ts'

/**
 * What an update is for a running database: seen at once, after a reload, after a restart; or not before somebody has
 * done something else.
 */
export interface Impact {
  readonly kind: 'live' | 'reload' | 'restart' | 'blocked'
  readonly why: string
}

export interface ImpactOptions {
  /** Absent where the former tree is not known. */
  readonly files: FileChanges | undefined
  /** The distribution that an extension goes into: the one that was there, another one, or the first one. */
  readonly server?: 'same' | 'other' | 'first' | undefined
}

export function distributionImpact(before: ImageSide | undefined, after: ImageSide, { files }: ImpactOptions): Impact {
  const [old, now] = [before?.server, after.server]
  if (old === undefined || now === undefined) return { kind: 'live', why: 'new, and nothing runs from it yet' }
  if (old.major !== now.major)
    return {
      kind: 'blocked',
      why: `Postgres ${now.major} does not start on data of Postgres ${old.major}; run pg_upgrade, or restore a dump, before it is started`,
    }
  if (files && countOf(files) === 0) return { kind: 'live', why: 'the same files' }
  const isRebuilt = old.version === now.version
  const what = isRebuilt ? `another build of Postgres ${now.version}` : `Postgres ${old.version} → ${now.version}`
  const sorting = collationChange(old, now)
  const reindex = sorting ? `, and what sorts text changes (${sorting}): REINDEX after it` : ''
  return { kind: 'restart', why: `${what}; a running server stays as it is until it is restarted${reindex}` }
}

export function extensionImpact(before: ImageSide | undefined, after: ImageSide, options: ImpactOptions): Impact {
  const { files, server } = options
  const preload = preloadOf(after)
  if (server === 'first') {
    const first = preload.length > 0 ? `; shared_preload_libraries has to name ${some(preload)}` : ''
    return { kind: 'live', why: `new, with its distribution${first}` }
  }
  if (server === 'other')
    return { kind: 'restart', why: 'it goes with the new distribution, which a server runs once it is restarted' }
  if (before?.major !== undefined && after.major !== undefined && before.major !== after.major)
    return {
      kind: 'blocked',
      why: `its modules go from Postgres ${before.major} to ${after.major}: so has to its distribution`,
    }
  if (before === undefined && preload.length > 0)
    return { kind: 'restart', why: `shared_preload_libraries has to name ${some(preload)}` }
  if (files === undefined) return unknownImpact(preload)
  if (countOf(files) === 0) return { kind: 'live', why: 'the same files' }
  return restartOf(before, after, files) ?? liveOf(before, after, files)
}

/** Libraries that an image's extensions want preloaded. */
export function preloadOf({ tree, provides }: ImageSide): string[] {
  const modules = [...(tree?.keys() ?? [])].flatMap((path) => /^live\/lib\/([^/]+)\.so$/.exec(path)?.[1] ?? [])
  return preloadLibraries([...Object.keys(provides), ...modules])
}

function countOf({ added, removed, changed }: FileChanges): number {
  return added.length + removed.length + changed.length
}

function unknownImpact(preload: readonly string[]): Impact {
  const unread = 'the former image is not at hand'
  if (preload.length === 0)
    return { kind: 'live', why: `new sessions load what is new (${unread}, so files are not compared)` }
  return { kind: 'restart', why: `${some(preload)} is preloaded, and may have changed (${unread})` }
}

function restartOf(before: ImageSide | undefined, after: ImageSide, files: FileChanges): Impact | undefined {
  const touched = new Set([...files.added, ...files.removed, ...files.changed])
  const wanted = new Set(
    [...(before ? preloadOf(before) : []), ...preloadOf(after)].map((name) => `live/lib/${name}.so`),
  )
  const preloaded = [...wanted]
    .flatMap((path) => [...withNeeded(after.facts, path)])
    .filter((path) => touched.has(path))
  const outside = [...touched].filter((path) => path.startsWith('root/'))
  const reasons = [
    ...(preloaded.length > 0 ? [`${are(preloaded)} preloaded, and a running server keeps the former one`] : []),
    ...(outside.length > 0 ? [`a running server does not see ${shown(outside)}`] : []),
  ]
  return reasons.length > 0 ? { kind: 'restart', why: reasons.join('; ') } : undefined
}

function liveOf(before: ImageSide | undefined, after: ImageSide, files: FileChanges): Impact {
  const names = Object.keys(after.provides)
  if (before === undefined) {
    const create = names.length > 0 ? `CREATE EXTENSION ${some(names)} works at once` : 'sessions see it at once'
    return { kind: 'live', why: `new; ${create}, in open sessions too` }
  }
  const settings = [...files.added, ...files.removed, ...files.changed].filter((path) => path.endsWith('.conf'))
  if (settings.length > 0) return { kind: 'reload', why: `settings are in ${shown(settings)}` }
  const code = files.changed.filter(isLibrary)
  if (code.length > 0)
    return { kind: 'live', why: `new sessions load ${shown(code)}; open ones keep what they have loaded` }
  const gone = files.removed.filter(isLibrary)
  if (gone.length > 0) return { kind: 'live', why: `${shown(gone)} goes; only sessions that have loaded it keep it` }
  return { kind: 'live', why: 'no code that is loaded changes; sessions see all of it at once' }
}

/** A module, and what extensions bring of that which it needs. */
function withNeeded(facts: ImageFacts | undefined, path: string): Set<string> {
  const found = new Set([path])
  for (const one of found)
    for (const { needed } of facts?.binaries.filter((binary) => binary.path === one) ?? [])
      for (const name of needed) found.add(`live/system/${name}`)
  return found
}

export function isLibrary(path: string): boolean {
  return /^live\/(?:lib|system)\//.test(path) && /\.so(?:\.|$)/.test(nameOf(path))
}

function are(paths: readonly string[]): string {
  return `${shown(paths)} ${paths.length === 1 ? 'is' : 'are'}`
}

function shown(paths: readonly string[]): string {
  return some([...paths].sort().map(shownPath))
}
