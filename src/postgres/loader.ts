import { posix } from 'node:path'
import { nameOf, parentOf } from '../model/tree.ts'
import { placeOf } from './extension.ts'
import type { BinaryFacts } from './facts.ts'
import type { Party } from './prove.ts'

/** A library that a loader finds, and whose it is. */
export interface Provider {
  readonly party: Party
  readonly binary: BinaryFacts
}

const system = 'live/system'
/** Folders that every loader searches, on systems with and without multiarch. */
const trusted = /^root\/(?:usr\/)?(?:local\/)?lib(?:64)?(?:\/[a-z0-9_]+-linux-[a-z0-9]+)?$/

/**
 * Finds libraries as ld.so does in a server's root (ld.so(8)): what the server has loaded already, then the folder in
 * its LD_LIBRARY_PATH (which one that packages have installed has not), then the file's RUNPATH, then the system's folders, those of the distribution first. A folder of
 * the distribution that has libraries counts as one of the loader's, whatever its cache says.
 */
export class Loader {
  readonly #files = new Map<string, Map<string, Provider[]>>()
  readonly #loaded: ReadonlyMap<string, Provider>
  readonly #first: readonly string[]

  /** @param loaded what the server has loaded, by soname: nothing else of that name is looked for */
  constructor(parties: readonly Party[], loaded: ReadonlyMap<string, Provider> = new Map()) {
    this.#loaded = loaded
    this.#first = parties.some(({ facts }) => facts.server?.mode === 'installed') ? [] : [system]
    for (const party of parties) this.#add(party)
  }

  /** Undefined when there is none for its machine. */
  find(name: string, by: BinaryFacts): Provider | undefined {
    const loaded = this.#loaded.get(name)
    if (loaded) return loaded
    const found = this.#files.get(name)
    if (found === undefined) return undefined
    const folders = [...this.#first, ...by.runpath.flatMap((one) => foldersOf(one, by))]
    for (const folder of folders) {
      const there = found.get(folder)?.find(({ binary }) => isForSame(binary, by))
      if (there) return there
    }
    return found.get('')?.find(({ binary }) => isForSame(binary, by))
  }

  #add(party: Party): void {
    const byPath = new Map(party.facts.binaries.map((binary) => [binary.path, binary]))
    const named: (readonly [string, string])[] = [...byPath.keys()].map((path) => [path, path])
    for (const [path, end] of [...named, ...Object.entries(party.facts.links)]) {
      const binary = byPath.get(end)
      if (binary === undefined) continue
      const folder = parentOf(path)
      this.#put(nameOf(path), folder, { party, binary })
      const isSearched = folder.startsWith('root/') && (party.facts.server || trusted.test(folder))
      if (isSearched) this.#put(nameOf(path), '', { party, binary })
    }
  }

  #put(name: string, folder: string, provider: Provider): void {
    const folders = this.#files.get(name) ?? new Map<string, Provider[]>()
    this.#files.set(name, folders.set(folder, [...(folders.get(folder) ?? []), provider]))
  }

  /** All that these lead to, by the names it is asked for. */
  closure(starts: readonly BinaryFacts[]): Map<string, Provider> {
    const reached = new Map<string, Provider>()
    for (const open = [...starts]; open.length > 0; ) {
      const by = open.pop() as BinaryFacts
      for (const name of by.needed) {
        const found = reached.has(name) ? undefined : this.find(name, by)
        if (found === undefined) continue
        reached.set(name, found)
        open.push(found.binary)
      }
    }
    return reached
  }
}

/** Whether both are for the same processor. */
export function isForSame(one: BinaryFacts, other: BinaryFacts): boolean {
  return one.machine === other.machine && one.class === other.class
}

/** `$ORIGIN` is the folder of the file; an absolute folder is one of the root, or where its modules and libraries go. */
function foldersOf(entry: string, { path }: BinaryFacts): string[] {
  const trimmed = (folder: string) => posix.normalize(folder).replace(/\/$/, '')
  const [origin, rest] = /^\$(?:ORIGIN|\{ORIGIN\})(?=\/|$)(.*)$/s.exec(entry) ?? []
  if (origin !== undefined) return [trimmed(`${parentOf(path)}${rest}`)]
  if (!entry.startsWith('/')) return []
  const folder = trimmed(entry).slice(1)
  return [`root/${folder}`, parentOf(placeOf(`${folder}/x.so`) ?? '')]
}

export function sonameOf({ soname, path }: BinaryFacts): string {
  return soname ?? nameOf(path)
}

/** What other files are linked with: modules and programs are not. */
export function isLibrary({ path, magic, soname }: BinaryFacts): boolean {
  const name = nameOf(path)
  return (
    magic === undefined &&
    (/\.so\./.test(name) || (soname !== undefined && /^lib/.test(soname) && /\.so(?:\.|$)/.test(soname)))
  )
}
