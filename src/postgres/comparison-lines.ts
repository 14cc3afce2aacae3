import { printable } from '../model/quote.ts'
import { bytesText } from '../model/size.ts'
import { nameOf } from '../model/tree.ts'
import type { Comparison } from './comparison.ts'
import type { FileChanges } from './file-changes.ts'
import { shownPath, some } from './finding.ts'
import { isLibrary } from './impact.ts'
import type { PackageChange } from './package-changes.ts'
import type { VersionChange } from './version-changes.ts'

interface LinesOptions {
  /** Whether there is no former image: what it is, other inputs tell. */
  readonly isNew: boolean
  /** What part of its size an image's contents have on their way; absent for one that need not travel. */
  readonly compression: number | undefined
}

const scripts = /^live\/share\/.*\.sql$/
const controls = /^live\/share\/extension\/[^/]+\.control$/
const mostShown = 3

/** `restart: …`, which nothing can draw with on a terminal. */
export function impactLine({ impact }: Comparison): string {
  return printable(`${impact.kind}: ${impact.why}`, 400)
}

/** A short line for each thing that changes, for previews; the same for the same images. */
export function changeLines(changes: Comparison, { isNew, compression }: LinesOptions): Record<string, string> {
  const { versions, files, newBytes, requires, preload, sorting, packages } = changes
  const named = (matches: (path: string) => boolean, shown: (path: string) => string) =>
    files && !isNew ? namesLine(files, matches, shown) : ''
  const lines = {
    versions: isNew ? '' : listed(versions.map(versionText)),
    files: files ? filesLine(files) : 'not compared, because the former image is not at hand',
    libraries: named(isLibrary, shownPath),
    control: named((path) => controls.test(path), nameOf),
    scripts: named((path) => scripts.test(path), nameOf),
    wire: newBytes === undefined ? '' : wireLine(newBytes, compression),
    requires: isNew ? '' : signed(requires),
    preload: listed(preload),
    sorting: sorting ?? '',
    packages: listed(packages.map(packageText)),
  }
  return Object.fromEntries(
    Object.entries(lines).flatMap(([key, line]) => (line === '' ? [] : [[key, printable(line, 400)]])),
  )
}

/** `hstore 1.7 → 1.8, with an update path`. */
export function versionText({ name, from, to, canUpdate }: VersionChange): string {
  if (from === undefined) return `${name} new → ${to}`
  if (to === undefined) return `${name} ${from} → gone`
  const path = canUpdate === undefined ? '' : canUpdate ? ', with an update path' : ', without an update path'
  return `${name} ${from || 'unknown'} → ${to || 'unknown'}${path}`
}

export function packageText({ name, from, to }: PackageChange): string {
  return `${name} ${from ?? 'new'} → ${to ?? 'gone'}`
}

/** `2 added, 1 changed, 12 the same`. */
export function filesLine({ added, removed, changed, same }: FileChanges): string {
  const counts = [
    [added.length, 'added'],
    [removed.length, 'removed'],
    [changed.length, 'changed'],
    [same, 'the same'],
  ] as const
  const told = counts.filter(([count]) => count > 0).map(([count, what]) => `${count.toLocaleString('en')} ${what}`)
  return told.join(', ') || 'none'
}

function wireLine(bytes: number, compression: number | undefined): string {
  if (compression === undefined) return 'nothing: the host has had this image'
  if (bytes === 0) return 'nothing: no new content'
  return `about ${bytesText(Math.ceil(bytes * compression))} (${bytesText(bytes)} of new content, packed as its layers are)`
}

function namesLine(files: FileChanges, matches: (path: string) => boolean, shown: (path: string) => string): string {
  return (['changed', 'added', 'removed'] as const)
    .flatMap((what) => {
      const names = files[what].filter(matches).map(shown)
      return names.length > 0 ? [`${what} ${listed(names)}`] : []
    })
    .join('; ')
}

export function signed({ added, removed }: Comparison['requires']): string {
  return [...added.map((name) => `+${name}`), ...removed.map((name) => `-${name}`)].join(' ')
}

function listed(names: readonly string[]): string {
  return some(names, mostShown)
}
