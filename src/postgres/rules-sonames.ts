import type { BinaryFacts } from './facts.ts'
import { type Found, shownPath } from './finding.ts'
import { isLibrary, sonameOf } from './loader.ts'
import type { Party } from './prove.ts'

/**
 * Sonames are global in a process: whoever loads one first decides for all (B-field, EXP-11). One that neither a server nor
 * its own modules use can only be met by programs.
 */
export function* clashes(
  extension: Party,
  other: Party,
  { whose, isUsed }: { readonly whose: string; readonly isUsed: (binary: BinaryFacts) => boolean },
): Iterable<Found> {
  const theirs = Map.groupBy(other.facts.binaries.filter(isLibrary), sonameOf)
  for (const one of extension.facts.binaries.filter(isLibrary)) {
    const name = sonameOf(one)
    const there = theirs.get(name)?.filter(({ machine }) => machine === one.machine) ?? []
    const [first] = there
    if (first === undefined || there.some(({ digest }) => digest === one.digest)) continue
    yield {
      ...{ severity: there.some(isUsed) ? 'error' : 'warning', rule: 'soname-clash', subject: name },
      fact: `it brings ${name} (${shownPath(one.path)})`,
      against: `${whose} brings another one (${shownPath(first.path)}), and a server loads one of them for all`,
      advice: 'choose images that were built together',
    }
  }
}
