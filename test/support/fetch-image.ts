// Run as a process of its own: reads an image into a shared cache, and prints that it is there.

import { parseDigest } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { readImage } from '../../src/oci/image.ts'
import { openSource } from '../../src/oci/open.ts'

const [host = '', digest = '', folder = ''] = process.argv.slice(2)
const source = openSource(parseReference(`${host}/team/image@${digest}`), { settings: { [host]: { insecure: true } } })
const cache = openCache(folder)
const platform = { os: 'linux', architecture: 'amd64' }
const read = async () => {
  const { layers } = await readImage(source, parseDigest(digest), { cache, platform })
  for (const layer of layers) await cache.blob(source, layer)
}
// As several resources of a run do.
await Promise.all([read(), read(), read()])
console.log('read')
