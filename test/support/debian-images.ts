import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cachedFolder } from './cache.ts'
import { command } from './command.ts'
import { startRegistry } from './registry.ts'

const script = join(import.meta.dirname, 'debian-images.sh')

/**
 * Storage of a registry that holds `debian/postgres:15` and the extensions `debian/ip4r:15`, `debian/semver:15`,
 * `debian/hll:15` and `debian/postgis:15`. The first call takes a minute.
 */
export function debianImages(): Promise<string> {
  return cachedFolder('debian-images', readFileSync(script, 'utf8'), async (folder) => {
    await command(script, [folder])
    mkdirSync(join(folder, 'registry'))
    const registry = await startRegistry(join(folder, 'registry'))
    try {
      for (const name of ['postgres', 'ip4r', 'semver', 'hll', 'postgis']) {
        await command('skopeo', [
          'copy',
          '--quiet',
          '--dest-tls-verify=false',
          `oci:${folder}/oci:${name}`,
          `docker://${registry.address}/debian/${name}:15`,
        ])
      }
    } finally {
      registry.stop()
    }
    rmSync(join(folder, 'oci'), { recursive: true })
  })
}
