import { createCipheriv, createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cachedFolder } from '../test/support/cache.ts'
import { command } from '../test/support/command.ts'
import { startDockerRegistry } from '../test/support/docker-registry.ts'
import { distributionFiles, extensionFiles, type Layer, writeLayout } from '../test/support/postgres-images.ts'

export const extensionNames = [
  'btree_gin',
  'btree_gist',
  'citext',
  'cube',
  'hstore',
  'intarray',
  'ltree',
  'pg_trgm',
  'unaccent',
  'pgcrypto',
] as const

const entries = 14_000
const versions = [1, 2, 3] as const
const recipe = [import.meta.filename, join(import.meta.dirname, '../test/support/postgres-images.ts')]

/**
 * A folder with `registry`, the storage of a registry that has `bench/postgres:1`; an upgrade of it as `:2`, in which
 * 1 % of the entries differ, so that two of its layers are new; as `:3` what a Dockerfile with `FROM postgres:1` and
 * one `RUN sed -i … postgresql.conf.sample` makes, a small layer more; and an image for each extension. `SUMS-1` to
 * `SUMS-3` are what each postgres must be on a host. Made once, and kept outside the checkout.
 *
 * @param megabytes size of the distribution, unpacked
 */
export function benchImages(megabytes: number): Promise<string> {
  const text = recipe.map((path) => readFileSync(path, 'utf8')).join('')
  const make = async (folder: string) => {
    const layout = join(folder, 'oci')
    for (const version of versions) {
      const files = layers(megabytes * 1024 * 1024, version)
      await writeLayout(layout, [{ tag: `postgres:${version}`, files }])
      writeFileSync(join(folder, `SUMS-${version}`), sums(new Map(files.flatMap((layer) => [...layer]))))
    }
    await writeLayout(
      layout,
      extensionNames.map((name) => ({ tag: `${name}:1`, files: extensionFiles(name) })),
    )
    mkdirSync(join(folder, 'registry'))
    const registry = await startDockerRegistry(join(folder, 'registry'))
    try {
      for (const tag of [...versions.map((one) => `postgres:${one}`), ...extensionNames.map((name) => `${name}:1`)]) {
        const to = `docker://${registry.host}/bench/${tag}`
        await command('skopeo', ['copy', '--quiet', '--dest-tls-verify=false', `oci:${layout}:${tag}`, to])
      }
    } finally {
      await registry.close()
    }
    rmSync(layout, { recursive: true })
  }
  return cachedFolder(`bench-${megabytes}`, text, make)
}

function sums(tree: Layer): string {
  return [...tree]
    .flatMap(([path, bytes]) =>
      bytes instanceof Uint8Array ? [`${createHash('sha256').update(bytes).digest('hex')}  ${path}\n`] : [],
    )
    .join('')
}

/**
 * Three layers: a userland in two, and the real PG 18 of npm. Sizes of the userland's files have the log-normal
 * spread of a Debian root (half of them below 3 KB), and one is as large as LLVM; half of each file compresses.
 */
function layers(bytes: number, version: (typeof versions)[number]): Layer[] {
  const postgres = distributionFiles()
  let left = bytes
  for (const content of postgres.values()) if (content instanceof Uint8Array) left -= content.length
  const count = entries - postgres.size
  const random = generator(1)
  const weights = Array.from({ length: count }, () => Math.exp(2.2 * normal(random)))
  const largest = Math.floor(left * 0.22)
  const scale = (left - largest) / weights.reduce((sum, weight) => sum + weight, 0)
  const userland: Map<string, Uint8Array | { link: string }>[] = [new Map(), new Map()]
  let former = ''
  for (const [number, weight] of weights.entries()) {
    const layer = userland[number < count * 0.55 ? 0 : 1] as Map<string, Uint8Array | { link: string }>
    const folder = number % 20 === 0 ? 'usr/bin' : `usr/share/package-${Math.floor(number / 15)}`
    if (number % 25 === 7) {
      layer.set(`${folder}/link-${number}`, { link: former })
      continue
    }
    const size = number === 0 ? largest : Math.ceil(weight * scale)
    const isChanged = version === 2 && number % 100 === 42 && size < 1024 * 1024
    // One in ten keeps its size, and with a reproducible build's constant time looks unchanged.
    const growth = isChanged && number % 1000 !== 42 ? 1 : 0
    former = `file-${number}`
    layer.set(`${folder}/${former}`, content(size + growth, isChanged ? number + entries : number))
  }
  return version === 3 ? [...userland, postgres, edited(postgres)] : [...userland, postgres]
}

function edited(postgres: Layer): Layer {
  const path = 'share/postgresql/postgresql.conf.sample'
  const bytes = postgres.get(path)
  if (!(bytes instanceof Uint8Array)) throw new Error(`the PostgreSQL of npm has no ${path}`)
  return new Map([[path, Buffer.concat([bytes, Buffer.from("listen_addresses = '*'\n")])]])
}

const words = wordPool(8 * 1024 * 1024)

function content(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size)
  const text = size >> 1
  const from = (seed * 7919 * 64) % words.length
  for (let at = 0; at < text; )
    at += words.copy(bytes, at, at === 0 ? from : 0, Math.min(words.length, from + text - at))
  const key = Buffer.alloc(16)
  key.writeUInt32LE(seed)
  createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(bytes.subarray(text)).copy(bytes, text)
  return bytes
}

/** Words of a vocabulary, the frequent ones often: gzip makes a third of it. */
function wordPool(size: number): Buffer {
  const random = generator(2)
  const vocabulary = Array.from({ length: 4096 }, () => Math.floor(random() * 36 ** 7).toString(36))
  const parts: string[] = []
  for (let length = 0; length < size; length += (parts.at(-1) as string).length) {
    parts.push(`${vocabulary[Math.floor(random() ** 3 * vocabulary.length)]} `)
  }
  return Buffer.from(parts.join(''))
}

/** Numbers in [0, 1), the same for the same seed: mulberry32. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Box and Muller. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
