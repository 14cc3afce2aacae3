import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cachedFolder } from '../test/support/cache.ts'
import { command } from '../test/support/command.ts'
import { startDockerRegistry } from '../test/support/docker-registry.ts'
import { type Blob, blobsOf, type TestImage } from '../test/support/layout.ts'
import { imageOf, smallExtension } from '../test/support/small-images.ts'
import type { Bench, Part } from './part.ts'
import { alignTable, median } from './report.ts'

interface Sample {
  readonly seconds: number
  readonly processor: number
  readonly memory: number
  readonly requests: number
  readonly versions: readonly string[]
}

const names = Array.from({ length: 200 }, (_, at) => `ext${at}`)
/** Of each name; those for another major are half of them, and the highest of all. */
const versions = Array.from({ length: 25 }, (_, at) => `1.${at}-pg${17 + (at % 2)}-trixie`)
const highest = '1.23'
/** Pages of tags, of what registries give at once; and three of an image: tag, manifest, config. */
const mostRequests = (names.length * versions.length) / 100 + 3 * names.length

/** 200 names, of a repository with 5,000 tags on a real registry: for the first time, and for the next process. */
export const naming: Part = {
  name: 'names',
  knows: (word) => word === 'names',
  run: async (bench) => {
    const registry = await startDockerRegistry(join(bench.folder, 'names'), { data: await pushed(bench) })
    bench.atEnd(() => void registry.close())
    const samples: Record<string, Sample[]> = { 'for the first time': [], 'again, by the next process': [] }
    for (let run = 1; run <= bench.runs; run += 1) {
      for (const [title, all] of Object.entries(samples)) {
        const sample = await resolve(registry.host, join(bench.folder, `names-${run}`))
        bench.progress(`run ${run} of ${bench.runs}, 200 names ${title}: ${sample.seconds.toFixed(2)} s`)
        all.push(sample)
      }
    }
    const json = { conditions: conditions(bench), samples }
    return { text: formatNames(json), json, failures: Object.values(samples).flat().filter(isWrong).length }
  },
}

function conditions({ machine }: Bench): string[] {
  return [
    `200 names in a repository of 5,000 tags. Medians: ${machine()}.`,
    'A registry of its own; our cache is empty at first. Seconds are those inside a provider that runs already. Each name is asked',
    'for its tag as it is now; lists of tags are kept for ten minutes, manifests for good.',
  ]
}

function formatNames({ conditions, samples }: { conditions: string[]; samples: Record<string, Sample[]> }): string {
  const rows = Object.entries(samples).map(([title, all]) => {
    const of = (key: 'seconds' | 'processor' | 'memory' | 'requests') => median(all.map((one) => one[key]))
    const numbers = [of('seconds').toFixed(2), `${of('processor').toFixed(2)} s`, String(of('requests'))]
    return [title, String(all.length), ...numbers, `${(of('memory') / 1e6).toFixed(0)} MB`]
  })
  const table = alignTable([['', 'runs', 'seconds', 'processor', 'requests', 'memory'], ...rows], {
    right: [1, 2, 3, 4, 5],
  })
  return [...conditions, '', table, ''].join('\n')
}

/** More requests than these, or another version, is no measurement of ours. */
function isWrong({ versions, requests }: Sample): boolean {
  return versions.join() !== highest || requests > mostRequests
}

async function resolve(registry: string, cache: string): Promise<Sample> {
  const env = {
    ...process.env,
    PGOCI_CACHE: cache,
    PGOCI_REGISTRIES: JSON.stringify({ [registry]: { insecure: true } }),
  }
  const template = `${registry}/bench/all:{name}-{version}-pg{major}-{os}`
  const program = join(import.meta.dirname, 'programs', 'names.ts')
  return JSON.parse(await command(process.execPath, [program, template, 'trixie', ...names], { env })) as Sample
}

/** The registry's files. Made once, kept outside the checkout. */
function pushed({ progress, folder }: Bench): Promise<string> {
  return cachedFolder('bench-names', readFileSync(import.meta.filename, 'utf8'), async (data) => {
    progress(`Pushing ${names.length * versions.length} tags; this is done once, and takes a minute`)
    const registry = await startDockerRegistry(join(folder, 'pushing'), { data })
    await push(registry.host).finally(registry.close)
  })
}

/** An image a name, which all of its tags lead to. */
async function push(registry: string): Promise<void> {
  const at = `http://${registry}/v2/bench/all`
  for (const name of names) {
    const image = imageOf(smallExtension(name, '1.0'))
    for (const one of blobsOf(image)) await pushBlob(at, one)
    await Promise.all(versions.map((version) => pushManifest(`${at}/manifests/${name}-${version}`, image)))
  }
}

async function pushBlob(at: string, { digest, bytes }: Blob): Promise<void> {
  const { headers } = await sent(`${at}/blobs/uploads/`, { method: 'POST' })
  const place = new URL(headers.get('location') ?? '', at)
  place.searchParams.set('digest', digest)
  await sent(place, { method: 'PUT', body: new Uint8Array(bytes) })
}

async function pushManifest(at: string, { manifest }: TestImage): Promise<void> {
  await sent(at, {
    method: 'PUT',
    headers: { 'content-type': manifest.mediaType },
    body: new Uint8Array(manifest.bytes),
  })
}

async function sent(at: string | URL, request: RequestInit): Promise<Response> {
  const answer = await fetch(at, request)
  if (!answer.ok) throw new Error(`${request.method} ${at}: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
  return answer
}
