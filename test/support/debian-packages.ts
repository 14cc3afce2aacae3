import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { command } from './command.ts'
import { debianImages } from './debian-images.ts'
import { skopeo, startDockerRegistry } from './docker-registry.ts'

const script = join(import.meta.dirname, 'debian-packages.sh')
const recipe = readFileSync(script, 'utf8')

/** Folder with `root`, the files of the image `debian/postgres:15`, and `names`, the packages that Debian has for it. */
export async function debianBase(): Promise<string> {
  const images = await debianImages()
  return cachedFolder('debian-packages-base', recipe + images, async (folder) => {
    const registry = await startDockerRegistry(images)
    try {
      const from = `docker://${registry.host}/debian/postgres:15`
      await skopeo(folder, 'copy', '--quiet', '--src-tls-verify=false', from, `oci:${folder}/oci:postgres`)
    } finally {
      await registry.close()
    }
    rmSync(join(folder, '.local'), { recursive: true, force: true })
    await command(script, ['base', folder])
  })
}

/** Folder with `upper`, all that `apt-get install` changes in the base, `own`, the package's own files, and `whole`. */
export async function debianPackage(name: string): Promise<string> {
  const base = await debianBase()
  return cachedFolder(`debian-packages/${name}`, recipe + base, (folder) =>
    command(script, ['package', folder, base, name]).then(() => {}),
  )
}

export function namesIn(folder: string): string[] {
  return readFileSync(join(folder, 'names'), 'utf8').trim().split('\n')
}
