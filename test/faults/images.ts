import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadDistribution } from '../../src/engine/distribution.ts'
import { loadExtension } from '../../src/engine/extension.ts'
import type { LoadedMember } from '../../src/engine/member.ts'
import { distributionName } from '../../src/engine/record.ts'
import type { Digest } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'
import { imageOf } from '../support/store.ts'

/** What an instance declares: its distribution, and extensions by name. */
export type Images = Readonly<Record<string, LoadedMember>>

/** What the instance `main` declares at each turn; no two turns in a row are the same. */
export type Turns = (turn: number) => Images

const distributions = ['first', 'second'].map((name) =>
  imageOf(
    {
      // Any program will do that runs until it is killed.
      'root/bin/daemon*': readFileSync('/bin/sleep'),
      'root/bin/postgres*': `server ${name}`,
      'root/lib/libpq.so': { to: 'libpq.so.5' },
      'root/lib/libpq.so.5*': 'libpq',
      'root/share/empty': '',
      "root/share/it's a $(name)\\": 'odd',
      'live/lib/plpgsql.so*': `plpgsql ${name}`,
      'live/share/extension/plpgsql.control': 'control',
    },
    { distribution: true },
  ),
)

/** An extension of a few files, of which one is the same in all of them. */
export function smallExtension(name: string, version: number | string): LoadedMember {
  return imageOf(
    {
      [`live/lib/${name}.so*`]: `module ${name} ${version}`,
      [`live/lib/${name}-again.so`]: `module ${name} ${version}`,
      // Postgres reads those of all extensions, whichever it is asked for.
      [`live/share/extension/${name}.control`]: `# ${name} ${version}\ndefault_version = '1'\n`,
      'live/share/licence': 'of all',
    },
    { distribution: false },
  )
}

/** A new version of the extension each time, another distribution every third time. */
export const smallImages: Turns = (turn) => ({
  [distributionName]: distributions[Math.floor(turn / 3) % 2] as LoadedMember,
  vector: smallExtension('vector', turn),
})

/** A second instance, which shares the distribution. */
export const otherImages: Images = {
  [distributionName]: distributions[0] as LoadedMember,
  shared: smallExtension('vector', 'shared'),
}

const postgresVersions = Array.from({ length: 8 }, (_, version) => `hstore-${version}`)
let postgresLayout: Promise<{ readonly layout: string; readonly digests: ReadonlyMap<string, string> }> | undefined

/** Real Postgres 18 with hstore, whose control file differs at each turn. */
export async function postgresImages(root: string): Promise<Turns> {
  postgresLayout ??= writePostgresLayout()
  const { layout, digests } = await postgresLayout
  const platform = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`
  const cache = openCache(join(layout, 'cache'))
  const request = (tag: string) => {
    const reference = parseReference(`oci:${layout}@${digests.get(tag)}`)
    return { source: openSource(reference, {}), reference, digest: reference.digest as Digest, platform, cache }
  }
  const { member } = await loadDistribution(request('postgres'), root)
  const loaded = await Promise.all(postgresVersions.map(async (tag) => (await loadExtension(request(tag))).member))
  return (turn) => ({ [distributionName]: member, hstore: loaded[turn % loaded.length] as LoadedMember })
}

async function writePostgresLayout() {
  const layout = mkdtempSync(join(tmpdir(), 'pgoci-test-'))
  process.once('exit', () => rmSync(layout, { recursive: true, force: true }))
  const digests = await writeLayout(layout, [
    { tag: 'postgres', files: distributionFiles() },
    ...postgresVersions.map((tag) => ({ tag, files: extensionFiles('hstore', (control) => `# ${tag}\n${control}`) })),
  ])
  return { layout, digests }
}
