import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** Which room may import which, and which packages are one room's own. */
const rooms: Record<string, readonly string[]> = {
  model: [],
  oci: ['model', 'archive'],
  archive: ['model'],
  layer: ['model', 'archive'],
  postgres: ['model'],
  host: ['model'],
  engine: ['model', 'archive', 'oci', 'layer', 'postgres', 'host'],
  pulumi: ['model', 'archive', 'oci', 'layer', 'postgres', 'host', 'engine'],
  cli: ['model', 'archive', 'oci', 'layer', 'postgres', 'host', 'engine'],
}
const owned: Record<string, string> = {
  '@pulumi/pulumi': 'pulumi',
  undici: 'oci',
  ssh2: 'host',
  tar: 'archive',
  commander: 'cli',
}

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.ts') && path.includes('/'),
)

test.each(files)('src/%s imports only what its room may', (path) => {
  const room = path.slice(0, path.indexOf('/'))
  for (const [, target = ''] of readFileSync(join('src', path), 'utf8').matchAll(/from '([^']+)'/g)) {
    if (target.startsWith('../'))
      expect([...(rooms[room] ?? []), room], `${path} imports ${target}`).toContain(target.split('/')[1])
    else if (target in owned) expect(room, `${path} imports ${target}`).toBe(owned[target])
  }
})
