import { join } from 'node:path'
import { debianBase, debianPackage, foreignLists, foreignPackage, namesIn, type Release } from './debian-packages.ts'
import type { Case } from './verdicts.ts'

const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
const other = process.arch === 'arm64' ? 'amd64' : 'arm64'

const bookworm = { suite: 'bookworm', major: 15, architecture }
const trixie = { suite: 'trixie', major: 17, architecture }

/** Postgres, by major, and what does not belong on it. */
export const releases: Readonly<Record<string, Release & { readonly foreign: readonly Release[] }>> = {
  15: { ...bookworm, foreign: [trixie, { ...bookworm, architecture: other }] },
  // Experimental's are for the same Postgres, built on later libraries.
  17: { ...trixie, foreign: [bookworm, { ...trixie, architecture: other }, { ...trixie, suite: 'experimental' }] },
  18: { suite: 'forky', major: 18, architecture, foreign: [trixie] },
}

/** A package with all that it depends on, as an image of these files and as one that apt-get has built, and without. */
export async function casesOf(release: Release, name: string): Promise<Case[]> {
  const [base, folder] = [await debianBase(release), await debianPackage(release, name)]
  const bin = `usr/lib/postgresql/${release.major}/bin`
  const byApt = { root: join(base, 'root'), bin, layers: `${folder}/upper:${base}/apt` }
  return [
    { name, what: 'with its dependencies', folder: join(folder, 'whole'), byApt },
    { name, what: 'on its distribution', folder: join(folder, 'upper'), byApt, isBuiltOn: true },
    { name, what: 'alone', folder: join(folder, 'own'), byApt },
  ]
}

/** Packages of another release, without what they depend on. */
export async function* foreignCases(
  release: Release,
  other: Release,
  isWanted: (name: string, what: string) => boolean,
): AsyncGenerator<Case> {
  const lists = await foreignLists(other, release)
  const what = `${other.suite}'s for ${other.major}, ${other.architecture}`
  for (const name of namesIn(lists))
    if (isWanted(name, what)) yield { name, what, folder: join(await foreignPackage(other, lists, name), 'own') }
}
