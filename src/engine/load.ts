import { createReadStream } from 'node:fs'
import { z } from 'zod'
import { Budget } from '../layer/budget.ts'
import { layerContents } from '../layer/contents.ts'
import { decompress } from '../layer/decompress.ts'
import type { LayerEntry } from '../layer/entry.ts'
import { flatten } from '../layer/flatten.ts'
import { readLayer } from '../layer/read.ts'
import { type Digest, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { emptyFile } from '../model/manifest.ts'
import { parsePlatform } from '../model/platform.ts'
import { formatPinned, type Reference } from '../model/reference.ts'
import { addParents, type Entry, type Tree, treeDigest } from '../model/tree.ts'
import type { Cache } from '../oci/cache.ts'
import { type Image, readImage } from '../oci/image.ts'
import type { Source } from '../oci/source.ts'
import { parseControl } from '../postgres/control.ts'
import { type DistributionLayout, findDistribution } from '../postgres/distribution.ts'
import { extensionName, placeExtension } from '../postgres/extension.ts'
import { readMagic, readServerVersion } from '../postgres/magic.ts'
import { mountPoints } from '../postgres/unit.ts'
import type { Content, LoadedMember } from './member.ts'

const maxFactFile = 128 * 1024 * 1024

export interface LoadOptions {
  readonly source: Source
  readonly reference: Reference
  readonly digest: Digest
  readonly platform: string
  readonly cache: Cache
  readonly signal?: AbortSignal
}

export interface DistributionFacts extends DistributionLayout {
  readonly version: string
  readonly major: number
}

export interface ExtensionFacts {
  readonly major: number | undefined
  readonly provides: Readonly<Record<string, { readonly version: string; readonly requires: readonly string[] }>>
}

/** An image whose every layer was proven, flattened; with where in which layer each content lies. */
interface Flat {
  readonly image: Image
  readonly tree: Tree
  readonly places: ReadonlyMap<Digest, { readonly layer: number; readonly path: string }>
}

const digestSchema = z.string().refine(isDigest) as unknown as z.ZodType<Digest>
const flatSchema = z.object({
  entries: z.array(z.tuple([z.string(), z.string(), z.number(), z.boolean()])),
  places: z.array(z.tuple([digestSchema, z.number(), z.string()])),
})

/** Reads and places a distribution; `store` is the folder on the host, which its tree needs as a mount point. */
export async function loadDistribution(
  options: LoadOptions,
  store: string,
): Promise<{ member: LoadedMember; facts: DistributionFacts }> {
  const flat = await readFlat(options, 'strip')
  const image = formatPinned(options.reference, options.digest)
  const layout = findDistribution(flat.tree, image)
  const server = await contentOf(flat, options, (flat.tree.get(layout.server) as { digest: Digest }).digest)
  const found = readServerVersion(server)
  if (found === undefined)
    throw new ProviderError(
      'NOT_POSTGRES',
      `Cannot use ${image} as a distribution: ${layout.server} tells no Postgres version`,
    )
  const placed = new Map<string, Entry>()
  for (const [path, entry] of flat.tree) {
    const to =
      within(path, layout.libraryDirectory, 'live/lib') ??
      within(path, layout.shareDirectory, 'live/share') ??
      `root/${path}`
    placed.set(to, entry)
  }
  if (layout.mode === 'rootfs') addMountPoints(placed, store)
  const facts = { ...layout, ...found }
  return { member: member(flat, options, placed, { major: found.major, layout: facts }), facts }
}

export async function loadExtension(options: LoadOptions): Promise<{ member: LoadedMember; facts: ExtensionFacts }> {
  const flat = await readFlat(options, 'refuse')
  const image = formatPinned(options.reference, options.digest)
  const placed = new Map<string, Entry>()
  for (const { path, entry } of placeExtension(flat.tree, image)) placed.set(path, entry)
  const wanted = new Map<Digest, string>()
  for (const [path, entry] of placed) {
    const matters = /^live\/lib\/[^/]+\.so$/.test(path) || extensionName(path) !== undefined
    if (matters && entry.kind === 'file') wanted.set(entry.digest, path)
  }
  const provides: Record<string, { version: string; requires: readonly string[] }> = {}
  let major: number | undefined
  for await (const { digest, size, content } of contentsOf(flat, options, new Set(wanted.keys()))) {
    const path = wanted.get(digest) as string
    const bytes = await readAll(content, size)
    const name = extensionName(path)
    if (name !== undefined) {
      const control = parseControl(bytes.toString('utf8'))
      provides[name] = { version: control.defaultVersion ?? '', requires: control.requires }
    } else {
      const magic = readMagic(bytes)
      if (magic && major !== undefined && magic.major !== major)
        throw new ProviderError(
          'NOT_MARRIED',
          `Cannot use ${image}: its modules are built for Postgres ${major} and ${magic.major}; choose an image built for one`,
        )
      major = magic?.major ?? major
    }
  }
  const sorted = Object.fromEntries(Object.entries(provides).sort(([a], [b]) => (a < b ? -1 : 1)))
  return { member: member(flat, options, placed, { major, layout: undefined }), facts: { major, provides: sorted } }
}

function within(path: string, directory: string, to: string): string | undefined {
  if (path === directory) return to
  return path.startsWith(`${directory}/`) ? `${to}${path.slice(directory.length)}` : undefined
}

function addMountPoints(tree: Map<string, Entry>, store: string): void {
  const { directories, files } = mountPoints({ store })
  for (const path of directories) {
    if (tree.get(`root/${path}`)?.kind === 'directory') continue
    addParents(tree, `root/${path}`)
    tree.set(`root/${path}`, { kind: 'directory' })
  }
  for (const path of files) {
    if (tree.get(`root/${path}`)?.kind !== 'file')
      tree.set(`root/${path}`, { kind: 'file', digest: emptyFile, size: 0, executable: false })
  }
}

function member(
  flat: Flat,
  options: LoadOptions,
  placed: Map<string, Entry>,
  facts: { major: number | undefined; layout: DistributionLayout | undefined },
): LoadedMember {
  for (const path of [...placed.keys()]) addParents(placed, path)
  const { layout } = facts
  return {
    digest: options.digest,
    image: formatPinned(options.reference, options.digest),
    platform: flat.image.platform,
    tree: placed,
    treeDigest: treeDigest(placed),
    major: facts.major,
    layout: layout && {
      mode: layout.mode,
      binDirectory: layout.binDirectory,
      libraryDirectory: layout.libraryDirectory,
      shareDirectory: layout.shareDirectory,
    },
    contents: (wanted, { signal }) => contentsOf(flat, signal ? { ...options, signal } : options, wanted),
  }
}

async function readFlat(options: LoadOptions, special: 'refuse' | 'strip'): Promise<Flat> {
  const { source, cache } = options
  const signal = options.signal ? { signal: options.signal } : {}
  const platform = parsePlatform(options.platform) ?? { os: 'linux', architecture: options.platform }
  const image = await readImage(source, options.digest, { platform, cache, ...signal })
  const key = `${image.manifest} ${special}`
  const known = await cache.readJson('flat-v1', key, flatSchema)
  if (known) {
    const tree = new Map(known.entries.map(([path, value, size, executable]) => [path, thaw(value, size, executable)]))
    return { image, tree, places: new Map(known.places.map(([digest, layer, path]) => [digest, { layer, path }])) }
  }
  const layers: LayerEntry[][] = []
  const budget = new Budget()
  for (const layer of image.layers) {
    const path = await cache.blob(source, layer, signal)
    const name = `layer ${layers.length + 1} of ${formatPinned(options.reference, options.digest)}`
    const tar = decompress(createReadStream(path, { highWaterMark: 1024 * 1024 }), { name })
    layers.push(await readLayer(tar, { diffId: layer.diffId, special, budget, name, ...signal }))
  }
  const tree = flatten(layers, { special })
  const used = new Set([...tree.values()].flatMap((entry) => (entry.kind === 'file' ? [entry.digest] : [])))
  const places = new Map<Digest, { layer: number; path: string }>()
  layers.forEach((entries, layer) => {
    for (const entry of entries) {
      if (entry.kind === 'file' && used.has(entry.digest) && !places.has(entry.digest))
        places.set(entry.digest, { layer, path: entry.path })
    }
  })
  await cache.writeJson('flat-v1', key, {
    entries: [...tree].map(([path, entry]) =>
      entry.kind === 'file'
        ? [path, entry.digest, entry.size, entry.executable]
        : [path, entry.kind === 'link' ? `l${entry.target}` : 'd', 0, false],
    ),
    places: [...places].map(([digest, { layer, path }]) => [digest, layer, path]),
  })
  return { image, tree, places }
}

function thaw(value: string, size: number, executable: boolean): Entry {
  if (isDigest(value)) return { kind: 'file', digest: value, size, executable }
  return value === 'd' ? { kind: 'directory' } : { kind: 'link', target: value.slice(1) }
}

async function* contentsOf(flat: Flat, options: LoadOptions, wanted: ReadonlySet<Digest>): AsyncIterable<Content> {
  const byLayer = new Map<number, Map<string, Digest>>()
  for (const digest of wanted) {
    const place = flat.places.get(digest)
    if (place === undefined) continue
    const paths = byLayer.get(place.layer) ?? new Map<string, Digest>()
    byLayer.set(place.layer, paths.set(place.path, digest))
  }
  for (const [index, layer] of flat.image.layers.entries()) {
    const paths = byLayer.get(index)
    if (paths === undefined) continue
    const path = await options.cache.blob(options.source, layer, options.signal ? { signal: options.signal } : {})
    const name = `layer ${index + 1} of ${formatPinned(options.reference, options.digest)}`
    const tar = decompress(createReadStream(path, { highWaterMark: 1024 * 1024 }), { name })
    yield* layerContents(tar, paths, { name })
  }
}

async function contentOf(flat: Flat, options: LoadOptions, digest: Digest): Promise<Buffer> {
  for await (const { size, content } of contentsOf(flat, options, new Set([digest]))) return readAll(content, size)
  throw new ProviderError('BAD_IMAGE', `Cannot find ${digest} in ${formatPinned(options.reference, options.digest)}`)
}

async function readAll(content: AsyncIterable<Buffer>, size: number): Promise<Buffer> {
  if (size > maxFactFile)
    throw new ProviderError('LIMIT_EXCEEDED', 'Cannot read the facts of a file larger than 128 MiB')
  const chunks: Buffer[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks)
}
