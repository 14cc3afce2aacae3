import { type Found, shownPath, some } from './finding.ts'
import { isLibrary } from './loader.ts'
import type { Need } from './needs.ts'
import type { Marriage } from './prove.ts'
import { isLive } from './rules-modules.ts'

/** ld.so: "version `GLIBC_2.38' not found (required by …)". A library without versions satisfies all, with a warning. */
export function* olderThanNeeded(needs: readonly Need[], { distribution }: Marriage): Iterable<Found> {
  for (const [name, all] of Map.groupBy(needs, (need) => need.name)) {
    const short = all.flatMap(({ by, found }) => {
      const provided = new Set(found?.binary.provides)
      const required = new Map(Object.entries(by.requires)).get(name) ?? []
      const lacking = provided.size === 0 ? [] : required.filter((version) => !provided.has(version))
      return found && lacking.length > 0 ? [{ by, found, lacking }] : []
    })
    const [first] = short
    if (first === undefined) continue
    const highest = newest(short.flatMap(({ lacking }) => lacking))
    const libc = distribution.facts.server?.libc
    const own = libc && /^(?:libc\.so\.6|libm\.so\.6)$/.test(name) ? `${name} of ${libc.kind} ${libc.version}` : name
    yield {
      severity: short.some(({ by }) => isLive(by) || isLibrary(by)) ? 'error' : 'warning',
      ...{ rule: 'symbol-version', subject: name },
      fact: `${some(short.map(({ by }) => shownPath(by.path)))} needs ${highest} of ${name}`,
      against: `the ${own} that it would get (${shownPath(first.found.binary.path)}) has ${closest(highest, first.found.binary.provides)}`,
      advice: 'choose an image built on the same release of the operating system as the distribution, or an older one',
    }
  }
}

function newest(versions: readonly string[]): string {
  return versions.reduce((best, one) => (numeric.compare(one, best) > 0 ? one : best), versions[0] ?? '')
}

/** The highest provided version of the same name, as in `GLIBC`. */
function closest(wanted: string, provided: readonly string[]): string {
  const family = wanted.replace(/_[\d.]+$/, '_')
  const same = provided.filter((one) => one.startsWith(family) && /^[\d.]+$/.test(one.slice(family.length)))
  return same.length > 0 ? `up to ${newest(same)}` : `only ${some(provided)}`
}

const numeric = new Intl.Collator('en', { numeric: true })
