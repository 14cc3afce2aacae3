import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { command } from './command.ts'
import { skopeo, startDockerRegistry } from './docker-registry.ts'

const script = join(import.meta.dirname, 'debian-images.sh')

/**
 * Folder of a registry that holds `debian/postgres:15`, `debian/postgres-next:15` and the extensions `debian/ip4r:15`, `debian/semver:15`,
 * `debian/hll:15` and `debian/postgis:15`. The first call takes a minute.
 */
export function debianImages(): Promise<string> {
  const recipe = readFileSync(script, 'utf8') + readFileSync(import.meta.filename, 'utf8')
  return cachedFolder('debian-images', recipe, async (folder) => {
    await command(script, [folder])
    const registry = await startDockerRegistry(folder)
    try {
      for (const name of ['postgres', 'postgres-next', 'ip4r', 'semver', 'hll', 'postgis']) {
        const to = `docker://${registry.host}/debian/${name}:15`
        await skopeo(folder, 'copy', '--quiet', '--dest-tls-verify=false', `oci:${folder}/oci:${name}`, to)
      }
    } finally {
      await registry.close()
    }
    rmSync(join(folder, 'oci'), { recursive: true })
  })
}
