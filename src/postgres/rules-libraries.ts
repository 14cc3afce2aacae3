import type { BinaryFacts } from './facts.ts'
import { type Found, shownPath, some } from './finding.ts'
import { isForSame, isLibrary, Loader } from './loader.ts'
import { type Need, needsOf } from './needs.ts'
import type { Marriage, Party, Rule } from './prove.ts'
import { isLive, serverOf } from './rules-modules.ts'
import { clashes } from './rules-sonames.ts'
import { olderThanNeeded } from './rules-symbols.ts'

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
