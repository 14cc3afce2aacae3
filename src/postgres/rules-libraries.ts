import { nameOf } from '../model/tree.ts'
import type { BinaryFacts } from './facts.ts'
import { type Found, shownPath, some } from './finding.ts'
import { isForSame, Loader, type Provider, sonameOf } from './loader.ts'
import type { Marriage, Party, Rule } from './prove.ts'
import { isLive, serverOf } from './rules-modules.ts'

const maxSteps = 50_000

/** Whether a server's loader finds what modules need, in versions that they can use, and no library twice. */
export const libraryRules: Rule = function* (marriage) {
  const { distribution, extension, others = [] } = marriage
  const { binaries } = distribution.facts
  const server = [serverOf(distribution.facts) ?? []].flat()
  // A server that runs has loaded its own, whatever comes later.
  const alone = new Loader([distribution])
  const loader = new Loader([distribution, extension, ...others], alone.closure(server))
  const needs = needsOf(native(extension, server), loader)
  yield* missing(needs, marriage)
  yield* olderThanNeeded(needs, marriage)
  yield* unopened(native(extension, server), loader)
  const used = alone.closure([...binaries.filter(isLive), ...server])
  const isUsed = new Set([...used.values()].map(({ binary }) => binary))
  const isInstalled = distribution.facts.server?.mode === 'installed'
  const reached = new Set(needs.map(({ found }) => found?.binary))
  // What nothing leads to is never loaded there.
  const brought = isInstalled ? extension.facts.binaries.filter((one) => reached.has(one)) : extension.facts.binaries
  yield* clashes({ ...extension, facts: { ...extension.facts, binaries: brought } }, distribution, {
    whose: 'the distribution',
    isUsed: (binary) => isUsed.has(binary),
  })
  for (const other of others)
    yield* clashes(extension, other, { whose: `the extension ${other.name}`, isUsed: () => true })
}

/** Of what is for another processor, that alone is told: its libraries are not to be had either. */
function native({ facts }: Party, [server]: readonly BinaryFacts[]): BinaryFacts[] {
  return facts.binaries.filter((one) => server === undefined || isForSame(one, server))
}

interface Need {
  readonly by: BinaryFacts
  readonly name: string
  readonly found: Provider | undefined
}

/** Of everything in the image that a server or a person may start, and of the libraries in it that these lead to. */
function needsOf(binaries: readonly BinaryFacts[], loader: Loader): Need[] {
  const brought = new Set(binaries)
  const starts = binaries.filter(
    ({ path, magic }) => magic !== undefined || /^live\/lib\/[^/]+\.so$/.test(path) || /\/s?bin\/[^/]+$/.test(path),
  )
  const needs: Need[] = []
  const seen = new Set(starts)
  // Modules come first: what both need is told of them.
  for (const open = starts.toSorted((a, b) => Number(isLive(b)) - Number(isLive(a))); open.length > 0; ) {
    const by = open.shift() as BinaryFacts
    for (const name of by.needed) {
      if (name.includes('/') || needs.length > maxSteps) continue
      const found = loader.find(name, by)
      needs.push({ by, name, found })
      if (found === undefined || !brought.has(found.binary) || seen.has(found.binary)) continue
      seen.add(found.binary)
      open.push(found.binary)
    }
  }
  return needs
}

/** ld.so: "cannot open shared object file". */
function* missing(needs: readonly Need[], { distribution }: Marriage): Iterable<Found> {
  const { mode } = distribution.facts.server ?? {}
  const isRelocatable = mode === 'relocatable'
  const known = new Set(distribution.facts.binaries.flatMap(({ needed }) => needed))
  const byName = Map.groupBy(
    needs.filter(({ found }) => found === undefined),
    ({ name }) => name,
  )
  for (const [name, all] of byName) {
    // A Postgres without a system around it takes these from the host.
    if (isRelocatable && known.has(name)) continue
    const severity = isRelocatable ? 'note' : all.some(({ by }) => isLive(by) || isLibrary(by)) ? 'error' : 'warning'
    yield {
      ...{ severity, rule: 'missing-library', subject: name },
      fact: `${some(all.map(({ by }) => shownPath(by.path)))} needs ${name}`,
      ...lacking[mode ?? 'rootfs'],
    }
  }
}

const lacking = {
  relocatable: { against: 'neither image has it, so the host must', advice: 'install it on the host' },
  rootfs: {
    against: 'neither the distribution nor the image has it',
    advice: 'choose an image that brings it, or a distribution that has it',
  },
  installed: {
    against: 'the host has not got it, and what the image brings is not where its server looks',
    advice: 'install it on the host with its package manager, or choose an image whose modules find it (RUNPATH)',
  },
}

/** dlopen(3): a module may open a library by its name, as mysql_fdw does; or it has the name for another reason. */
function* unopened(binaries: readonly BinaryFacts[], loader: Loader): Iterable<Found> {
  for (const by of binaries)
    for (const name of by.opens ?? []) {
      if (loader.find(name, by)) continue
      yield {
        ...{ severity: 'warning', rule: 'opened-library', subject: name },
        fact: `${shownPath(by.path)} names ${name}, which it may open while it runs`,
        against: 'neither the distribution nor the image has it',
        advice: 'choose an image that brings it, if something is amiss without',
      }
    }
}

/** ld.so: "version `GLIBC_2.38' not found (required by …)". A library without versions satisfies all, with a warning. */
function* olderThanNeeded(needs: readonly Need[], { distribution }: Marriage): Iterable<Found> {
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

/**
 * Sonames are global in a process: whoever loads one first decides for all (B-field, EXP-11). One that neither a server nor
 * its own modules use can only be met by programs.
 */
function* clashes(
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

/** What other files are linked with: modules and programs are not. */
function isLibrary({ path, magic, soname }: BinaryFacts): boolean {
  const name = nameOf(path)
  return (
    magic === undefined &&
    (/\.so\./.test(name) || (soname !== undefined && /^lib/.test(soname) && /\.so(?:\.|$)/.test(soname)))
  )
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
