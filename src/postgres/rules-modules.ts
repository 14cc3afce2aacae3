import { nameOf } from '../model/tree.ts'
import type { BinaryFacts, ImageFacts } from './facts.ts'
import { type Found, shownPath, some } from './finding.ts'
import { libcKind } from './libc.ts'
import { isForSame } from './loader.ts'
import type { ModuleMagic } from './magic.ts'
import type { Marriage, Rule } from './prove.ts'

/** What a server or a loader looks at first: whether a file is for this Postgres, processor and libc at all. */
export const moduleRules: Rule = function* (marriage) {
  yield* foreignMajor(marriage)
  yield* foreignBuild(marriage)
  yield* foreignMachine(marriage)
  yield* foreignLibc(marriage)
  for (const [path, why] of Object.entries(marriage.extension.facts.unread)) {
    if (!path.startsWith('live/')) continue
    yield {
      ...{ severity: 'warning', rule: 'unreadable', subject: shownPath(path), fact: `${shownPath(path)} ${why}` },
      ...{ against: 'a server loads ELF modules only', advice: 'build the image again, if this file should be one' },
    }
  }
}

/** dfmgr.c, incompatible_module_error: "Server is version %d, library is version %s". */
function* foreignMajor({ distribution, extension }: Marriage): Iterable<Found> {
  const major = distribution.facts.server?.major
  const foreign = modulesOf(extension.facts).filter(({ magic }) => magic?.major !== major)
  const [first] = foreign
  if (first === undefined || major === undefined) return
  yield {
    ...{ severity: 'error', rule: 'postgres-major', subject: shownPath(first.path) },
    fact: `its modules are built for Postgres ${first.magic?.major} (${listed(foreign)})`,
    ...{ against: `this is ${distribution.facts.server?.version}`, advice: `choose an image built for ${major}` },
  }
}

const fields: readonly (readonly [keyof ModuleMagic, string])[] = [
  ['vendor', 'ABI'],
  ['length', 'size of the magic block'],
  ['functionMaxArguments', 'FUNC_MAX_ARGS'],
  ['indexMaxKeys', 'INDEX_MAX_KEYS'],
  ['nameDataLength', 'NAMEDATALEN'],
]

/** dfmgr.c compares the whole block; what it should be, the distribution's own modules say (fmgr.h, FMGR_ABI_EXTRA). */
function* foreignBuild({ distribution, extension }: Marriage): Iterable<Found> {
  const [own] = modulesOf(distribution.facts)
  if (own?.magic === undefined) return
  for (const [field, name] of fields) {
    const [first, ...more] = modulesOf(extension.facts).filter(
      ({ magic }) => magic?.major === own.magic?.major && magic?.[field] !== own.magic?.[field],
    )
    if (first === undefined) continue
    yield {
      ...{ severity: 'error', rule: 'abi-vendor', subject: shownPath(first.path) },
      fact: `${listed([first, ...more])} is built with ${name} ${first.magic?.[field] ?? 'unknown'}`,
      against: `the distribution has ${own.magic?.[field] ?? 'none'}`,
      advice: 'choose an image built for this build of Postgres',
    }
    return
  }
}

/** glibc's and musl's loaders pass over files for other machines, and then find none (System V gABI, chapter 5). */
function* foreignMachine({ distribution, extension }: Marriage): Iterable<Found> {
  const server = serverOf(distribution.facts)
  if (server === undefined) return
  const foreign = extension.facts.binaries.filter((one) => !isForSame(one, server))
  const [first] = foreign.toSorted((a, b) => rank(a) - rank(b))
  if (first === undefined) return
  yield {
    ...{ severity: isLive(first) ? 'error' : 'warning', rule: 'architecture', subject: shownPath(first.path) },
    fact: `${listed(foreign)} is for ${machineName(first)}`,
    against: `the server is for ${machineName(server)}`,
    advice: `choose an image for ${machineName(server)}`,
  }
}

/** A process has one libc; a module of another one finds none of its symbols, or the wrong ones. */
function* foreignLibc({ distribution, extension }: Marriage): Iterable<Found> {
  const server = serverOf(distribution.facts)
  const kind = server && libcKind(server)
  if (kind === undefined) return
  const foreign = extension.facts.binaries.filter((one) => (libcKind(one) ?? kind) !== kind)
  const [first] = foreign.toSorted((a, b) => rank(a) - rank(b))
  if (first === undefined) return
  yield {
    ...{ severity: isLive(first) ? 'error' : 'warning', rule: 'libc-kind', subject: shownPath(first.path) },
    fact: `${listed(foreign)} is built for ${libcKind(first)}`,
    ...{ against: `the server is built for ${kind}`, advice: `choose an image built for ${kind}` },
  }
}

export function modulesOf({ binaries }: ImageFacts): BinaryFacts[] {
  return binaries.filter(({ magic }) => magic !== undefined)
}

export function serverOf({ binaries, server }: ImageFacts): BinaryFacts | undefined {
  return server && binaries.find(({ path }) => nameOf(path) === 'postgres')
}

/** What a running server can load; all else are programs, for people. */
export function isLive({ path }: Pick<BinaryFacts, 'path'>): boolean {
  return path.startsWith('live/')
}

function rank(binary: BinaryFacts): number {
  return isLive(binary) ? 0 : 1
}

function listed(binaries: readonly BinaryFacts[]): string {
  return some(binaries.map(({ path }) => shownPath(path)))
}

const machines: Readonly<Record<number, string>> = {
  ...{ 3: 'i386', 21: 'ppc64', 22: 's390x', 40: 'arm', 62: 'amd64', 183: 'arm64', 243: 'riscv64', 258: 'loong64' },
}

function machineName({ machine, class: bits }: BinaryFacts): string {
  return `${machines[machine] ?? `machine ${machine}`}${machine === 62 && bits === 32 ? ' (x32)' : ''}`
}
