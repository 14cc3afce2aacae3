import type { ElfFile } from './elf-file.ts'

const maxVersions = 10_000
const base = 1
/** A loader goes on without these. */
const weak = 2

/** Where the version tables of a file are, and how to read a name in them. */
export interface VersionTable {
  /** Offset in the file. */
  readonly at: number
  readonly count: number
  readonly name: (offset: number) => string
}

/** Symbol versions that a file requires of each library (`.gnu.version_r`; LSB Core 5.0, 10.7.4). */
export function requiredVersions(file: ElfFile, table: VersionTable): Map<string, string[]> {
  const required = new Map<string, string[]>()
  const budget = { left: maxVersions }
  for (const at of chain(file, table, { next: 12, budget })) {
    const library = table.name(file.word(at + 4))
    const versions = required.get(library) ?? []
    const auxiliary = { at: at + file.word(at + 8), count: file.half(at + 2) }
    for (const one of chain(file, auxiliary, { next: 12, budget })) {
      const isWeak = (file.half(one + 4) & weak) !== 0
      if (!isWeak) versions.push(table.name(file.word(one + 8)))
    }
    required.set(library, versions)
  }
  return required
}

/** Symbol versions that a library defines (`.gnu.version_d`; LSB Core 5.0, 10.7.3), without the one that names itself. */
export function definedVersions(file: ElfFile, table: VersionTable): string[] {
  const defined: string[] = []
  for (const at of chain(file, table, { next: 16, budget: { left: maxVersions } })) {
    if ((file.half(at + 2) & base) === 0) defined.push(table.name(file.word(at + file.word(at + 12))))
  }
  return defined
}

/** Entries that name the distance to the next: forward only, `count` at most, and of all chains together a limit. */
function* chain(
  file: ElfFile,
  { at: start, count }: { readonly at: number; readonly count: number },
  { next, budget }: { readonly next: number; readonly budget: { left: number } },
): Iterable<number> {
  let at = start
  for (let index = 0; index < count; index += 1) {
    budget.left -= 1
    if (budget.left < 0) throw new SyntaxError(`has more than ${maxVersions} versions`)
    yield at
    const distance = file.word(at + next)
    if (distance === 0) return
    at += distance
  }
}
