import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadDistribution } from '../../src/engine/distribution.ts'
import { parseDigest } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import { temporaryFolder } from '../support/folder.ts'
import { writeLayout } from '../support/postgres-images.ts'
import { smallDistribution } from '../support/small-images.ts'

const folder = temporaryFolder()
const trixie = 'VERSION_CODENAME=trixie\nID=debian\n'

test.each([
  ['debian', smallDistribution({ osRelease: trixie, contrib: { hstore: '1.8' } }), 'trixie', ['hstore', 'plpgsql']],
  ['bare', smallDistribution(), 'none', ['plpgsql']],
])('loadDistribution() tells the system and the contrib extensions of a %s image', async (tag, files, os, contrib) => {
  const layout = join(folder, tag)
  const digest = (await writeLayout(layout, [{ tag, files }])).get(tag) ?? ''
  const reference = parseReference(`oci:${layout}:${tag}`)
  const platform = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`
  const request = { source: openSource(reference), reference, digest: parseDigest(digest), platform }
  const { facts } = await loadDistribution({ ...request, cache: openCache(join(folder, 'cache')) }, '/var/lib/pgoci')
  expect(facts).toMatchObject({ version: '18.4', major: 18, os })
  expect(Object.keys(facts.contrib)).toEqual(contrib)
})
