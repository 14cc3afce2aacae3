import { isDeepStrictEqual } from 'node:util'
import type { ExtensionFacts, ImageFacts } from './facts.ts'
import { type Found, shownPath, some } from './finding.ts'
import type { Marriage, Rule } from './prove.ts'
import { installPath, updatePath } from './scripts.ts'

/** What `CREATE EXTENSION` and `ALTER EXTENSION UPDATE` will say (extension.c). */
export const scriptRules: Rule = function* (marriage) {
  const { distribution, extension, others = [] } = marriage
  yield* unseenData(marriage)
  const all = [distribution, extension, ...others]
  const created = new Set(all.flatMap(({ facts }) => Object.keys(facts.extensions)))
  const modules = new Set(all.flatMap(({ facts }) => moduleNames(facts)))
  const former = new Map(Object.entries(extension.former ?? {}))
  for (const [name, facts] of Object.entries(extension.facts.extensions)) {
    if (facts.problem !== undefined) {
      yield {
        ...{ severity: 'error', rule: 'control-file', subject: name },
        ...{ fact: `${name}.control ${facts.problem}`, against: 'Postgres refuses it, and what else it lists' },
        advice: 'choose an image whose control file is right',
      }
      continue
    }
    yield* unmetRequires(name, facts, created)
    yield* missingModule(name, facts, modules)
    yield* versionsOf(name, facts, { former: former.get(name), all: extension.facts.extensions })
  }
}

/** Settings lead a Postgres of packages to control files, scripts and modules elsewhere; all else it has at home. */
function* unseenData({ distribution, extension }: Marriage): Iterable<Found> {
  const { data = [] } = extension.facts
  const [first] = data
  if (first === undefined || distribution.facts.server?.mode !== 'installed') return
  yield {
    ...{ severity: 'warning', rule: 'opened-file', subject: shownPath(first) },
    fact: `the image brings ${some(data.map(shownPath))}`,
    against: "the host's Postgres, and scripts that name them by path, look for such files in its own share folder",
    advice: 'put them there, too, if something is amiss without',
  }
}

function* unmetRequires(name: string, facts: ExtensionFacts, created: ReadonlySet<string>): Iterable<Found> {
  for (const required of requiredBy(facts)) {
    if (created.has(required)) continue
    yield {
      ...{ severity: 'note', rule: 'requires', subject: `${name}.${required}` },
      fact: `${name} requires the extension ${required}`,
      against: 'nothing that is declared so far brings it',
      advice: `declare an image with ${required}, or CREATE EXTENSION ${name} will fail`,
    }
  }
}

/** `$libdir/x` and `x` are both looked for in the folder of modules (dfmgr.c, expand_dynamic_library_name). */
function* missingModule(name: string, { control }: ExtensionFacts, modules: ReadonlySet<string>): Iterable<Found> {
  const [, module] = /^(?:\$libdir\/)?([^/]+?)(?:\.so)?$/.exec(control.modulePathname ?? '') ?? []
  if (module === undefined || modules.has(module)) return
  yield {
    ...{ severity: 'warning', rule: 'missing-module', subject: name },
    fact: `${name}.control names the module ${module}`,
    against: 'neither the distribution nor the image has it',
    advice: 'choose an image that is whole, if its SQL has functions in C',
  }
}

function* versionsOf(
  name: string,
  facts: ExtensionFacts,
  { former, all }: { readonly former: string | undefined; readonly all: ImageFacts['extensions'] },
): Iterable<Found> {
  const { control, scripts } = facts
  const version = control.defaultVersion
  if (version === undefined) {
    yield {
      ...{ severity: 'note', rule: 'no-script', subject: name },
      fact: `${name}.control has no default_version`,
      against: 'CREATE EXTENSION creates none of its own accord',
      advice: `name one: CREATE EXTENSION ${name} VERSION '…'`,
    }
    return
  }
  if (installPath(scripts, version) === undefined && !isStub(facts, Object.values(all)))
    yield {
      // Without any, it may only be there to be loaded, as Debian's decoderbufs is.
      ...{ severity: hasScripts(facts) ? 'warning' : 'note', rule: 'no-script', subject: name },
      fact: `${name} has the default version ${version}`,
      against: 'no script creates it',
      advice: `choose an image with ${name}--${version}.sql`,
    }
  if (former === undefined || former === '' || former === version || updatePath(scripts, former, version)) return
  yield {
    ...{ severity: 'warning', rule: 'update-path', subject: name },
    fact: `${name} goes from ${former} to ${version}`,
    against: 'no scripts lead there',
    advice: `databases keep ${name} ${former}: ALTER EXTENSION ${name} UPDATE will fail`,
  }
}

function hasScripts({ scripts }: ExtensionFacts): boolean {
  return scripts.installable.length + scripts.updates.length > 0
}

/** Debian's postgis-3.control, which update-alternatives links to postgis.control: that one has the scripts. */
function isStub(facts: ExtensionFacts, all: readonly ExtensionFacts[]): boolean {
  const isSame = ({ control }: ExtensionFacts) => isDeepStrictEqual(control, facts.control)
  return !hasScripts(facts) && all.some((other) => hasScripts(other) && isSame(other))
}

/** Of the default version, whose secondary control file comes first. */
export function requiredBy({ control, secondary }: ExtensionFacts): readonly string[] {
  const own = new Map(Object.entries(secondary)).get(control.defaultVersion ?? '')
  return own?.requires ?? control.requires ?? []
}

function moduleNames({ binaries, links }: ImageFacts): string[] {
  const paths = [...binaries.map(({ path }) => path), ...Object.keys(links)]
  return paths.flatMap((path) => /^live\/lib\/([^/]+)\.so$/.exec(path)?.[1] ?? [])
}
