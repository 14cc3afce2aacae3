// Run as a process of its own: resolves names with the whole provider loaded, and prints as JSON how long that took, in
// seconds and seconds of all processors, the most memory that the process had, in bytes, and its requests.
// node bench/programs/names.ts TEMPLATE OS NAME…
import { subscribe } from 'node:diagnostics_channel'
import { openNames, resolveName } from '../../src/engine/names.ts'
import { readRepository } from '../../src/engine/repository.ts'
import { openCache } from '../../src/oci/cache.ts'
import { tagLists } from '../../src/oci/tag-lists.ts'

let requests = 0
subscribe('undici:request:create', () => {
  requests += 1
})
await import('../../src/provider.ts')
const [template = '', os = '', ...wanted] = process.argv.slice(2)
const cache = openCache()
const settings = JSON.parse(process.env['PGOCI_REGISTRIES'] ?? '{}')
const platform = process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'
const target = { major: 18, postgresVersion: '18.4', os, platform }

const used = process.cpuUsage()
const started = performance.now()
const names = openNames(tagLists(cache), { environment: { settings }, cache })
const repository = await readRepository(template)
const found = await Promise.all(wanted.map((name) => resolveName(repository, { name }, { target, names })))
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(used)
const versions = [...new Set(found.map(({ version }) => version))]
const memory = process.resourceUsage().maxRSS * 1024
console.log(JSON.stringify({ seconds, processor: (user + system) / 1e6, memory, requests, versions }))
process.exit()
