// Run as a process of its own: reads images with the whole provider loaded, and prints as JSON how long that took, in
// seconds and seconds of all processors, and the most memory that the process had, in bytes.
// node bench/programs/read.ts image REFERENCE            flattens one image, every byte of it verified
// node bench/programs/read.ts facts TIMES REFERENCE…     resolves tags and tells facts, each reference so often
import { loadDistribution } from '../../src/engine/distribution.ts'
import { loadExtension } from '../../src/engine/extension.ts'
import { type ImageRequest, readFlatImage } from '../../src/engine/image.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'

await import('../../src/provider.ts')
const most = () => process.resourceUsage().maxRSS * 1024
const [mode = '', ...words] = process.argv.slice(2)
const cache = openCache()
const settings = JSON.parse(process.env['PGOCI_REGISTRIES'] ?? '{}')

async function requestOf(text: string): Promise<ImageRequest> {
  const reference = parseReference(text)
  const source = openSource(reference, { settings })
  const { digest } = await source.resolve(reference.tag)
  return { source, reference, digest, platform: process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64', cache }
}

const used = process.cpuUsage()
const started = performance.now()
if (mode === 'image') await readFlatImage(await requestOf(words[0] ?? ''), 'strip')
else {
  const [times, ...references] = words
  for (let time = 0; time < Number(times); time += 1) {
    for (const text of references) {
      const request = await requestOf(text)
      await (text.includes('/postgres:') ? loadDistribution(request, '/var/lib/pgoci') : loadExtension(request))
    }
  }
}
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(used)
console.log(JSON.stringify({ seconds, processor: (user + system) / 1e6, memory: most() }))
process.exit()
