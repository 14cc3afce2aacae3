import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { layOutCloudNative } from './cloudnative-folder.ts'
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
  18: { suite: 'sid', major: 18, architecture, foreign: [trixie] },
}

/**
 * A package with all that it depends on, as an image of these files and as one that apt-get has built, and without; for
 * 18 and later also as CloudNativePG's images are laid out.
 *
 * @param scratch where files may lie until the next package
 */
export async function casesOf(release: Release, name: string, scratch: string): Promise<Case[]> {
  const [base, folder] = [await debianBase(release), await debianPackage(release, name)]
  const plain = { root: join(base, 'root'), bin: `usr/lib/postgresql/${release.major}/bin` }
  const before = { ...plain, layers: `${folder}/upper:${base}/apt` }
  const cases = [
    { name, what: 'with its dependencies', folder: join(folder, 'whole'), before },
    { name, what: 'on its distribution', folder: join(folder, 'upper'), before, isBuiltOn: true },
    { name, what: 'alone', folder: join(folder, 'own'), before },
  ]
  if (release.major < 18) return cases
  const laid = join(scratch, 'laid-out')
  rmSync(laid, { recursive: true, force: true })
  mkdirSync(laid)
  chmodSync(laid, 0o755)
  layOutCloudNative(join(folder, 'whole'), release.major, laid)
  // How CloudNativePG runs a server with it; its ld_library_path may have modules that others are linked with.
  const mounted = {
    ...{ ...plain, layers: join(base, 'apt'), store: laid, libraryPath: `${laid}/system:${laid}/lib` },
    settings: {
      extension_control_path: `$system:${laid}/share`,
      dynamic_library_path: `$libdir:${laid}/lib`,
    },
  }
  return [{ name, what: 'as CloudNativePG has it', folder: laid, before: mounted }, ...cases]
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
