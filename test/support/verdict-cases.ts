import { join } from 'node:path'
import { debianBase, debianPackage } from './debian-packages.ts'
import type { Case } from './verdicts.ts'

/** A package with all that it depends on, as an image of these files and as one that apt-get has built, and without. */
export async function casesOf(name: string): Promise<Case[]> {
  const [base, folder] = [await debianBase(), await debianPackage(name)]
  const root = { root: join(base, 'root'), bin: 'usr/lib/postgresql/15/bin', layers: `${folder}/upper:${base}/apt` }
  return [
    { name, what: 'with its dependencies', folder: join(folder, 'whole'), byApt: root },
    { name, what: 'on its distribution', folder: join(folder, 'upper'), byApt: root, isBuiltOn: true },
    { name, what: 'alone', folder: join(folder, 'own'), byApt: root },
  ]
}
