import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { command } from './command.ts'
import { debianImages } from './debian-images.ts'
import { skopeo, startDockerRegistry } from './docker-registry.ts'

const script = join(import.meta.dirname, 'debian-packages.sh')
const recipe = readFileSync(script, 'utf8')

/** A suite of Debian, with the Postgres that it has. */
export interface Release {
  readonly suite: string
  readonly major: number
  /** Debian's name of a processor. */
  readonly architecture: string
}

/** For Debian 12 what tests have anyway: `debian/postgres:15`. */
const images: Readonly<Record<string, () => Promise<string>>> = { bookworm: debianImages }

/** Folder with the image `oci:postgres` and its files, `root`, and `names`, the packages that Debian has for it. */
export async function debianBase({ suite, major }: Release): Promise<string> {
  const from = await images[suite]?.()
  return cachedFolder(`debian-base/${suite}`, recipe + from, async (folder) => {
    if (from !== undefined) await copyImage(from, folder)
    await command(script, ['base', folder, suite, String(major)])
  })
}

async function copyImage(images: string, folder: string): Promise<void> {
  const registry = await startDockerRegistry(images)
  try {
    const from = `docker://${registry.host}/debian/postgres:15`
    await skopeo(folder, 'copy', '--quiet', '--src-tls-verify=false', from, `oci:${folder}/oci:postgres`)
  } finally {
    await registry.close()
  }
  rmSync(join(folder, '.local'), { recursive: true, force: true })
}

/** Folder with `upper`, all that `apt-get install` changes in the base, `own`, the package's own files, and `whole`. */
export async function debianPackage(release: Release, name: string): Promise<string> {
  const base = await debianBase(release)
  return cachedFolder(`debian-packages/${release.suite}-${name}`, recipe + base, (folder) =>
    command(script, ['package', folder, base, name]).then(() => {}),
  )
}

/** Folder with `names`, the packages of a release that has no base here. */
export async function foreignLists({ suite, architecture, major }: Release, near: Release): Promise<string> {
  const base = await debianBase(near)
  return cachedFolder(`debian-lists/${suite}-${architecture}-${major}`, recipe, (folder) =>
    command(script, ['lists', folder, base, suite, architecture, String(major)]).then(() => {}),
  )
}

/** Folder with `own`, the files of one of these. */
export function foreignPackage({ suite, architecture }: Release, lists: string, name: string): Promise<string> {
  return cachedFolder(`debian-packages/${suite}-${architecture}-${name}`, recipe, (folder) =>
    command(script, ['foreign', folder, lists, name]).then(() => {}),
  )
}

export function namesIn(folder: string): string[] {
  return readFileSync(join(folder, 'names'), 'utf8').trim().split('\n')
}
