import { nameOf, parentOf } from '../model/tree.ts'
import type { ImageSide } from './image-side.ts'
import { readScripts, type Scripts, updatePath } from './scripts.ts'

/** An extension of an image whose version is another one, or that comes or goes. */
export interface VersionChange {
  readonly name: string
  /** Absent for one that comes. */
  readonly from?: string | undefined
  /** Absent for one that goes. */
  readonly to?: string | undefined
  /** Whether scripts lead from one to the other, so that `ALTER EXTENSION UPDATE` works; absent where it is not asked. */
  readonly canUpdate?: boolean | undefined
}

export function versionChanges(before: ImageSide | undefined, after: ImageSide): VersionChange[] {
  const [old, now] = [new Map(Object.entries(before?.provides ?? {})), new Map(Object.entries(after.provides))]
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((name) => {
    const [from, to] = [old.get(name)?.version, now.get(name)?.version]
    if (from === to) return []
    const isUpdate = from !== undefined && from !== '' && to !== undefined && to !== ''
    const canUpdate = isUpdate ? updatePath(scriptsOf(after, name), from, to) !== undefined : undefined
    return [{ name, from, to, canUpdate }]
  })
}

/** From its facts, or else from what lies where most have their scripts. */
function scriptsOf({ facts, tree = new Map() }: ImageSide, name: string): Pick<Scripts, 'updates'> {
  const known = new Map(Object.entries(facts?.extensions ?? {})).get(name)
  if (known) return known.scripts
  const files = [...tree.keys()].filter((path) => parentOf(path) === 'live/share/extension').map(nameOf)
  try {
    return readScripts(name, files)
  } catch {
    return { updates: [] }
  }
}
