import {
  type Edges,
  type HostFile,
  type Inventory,
  inventory,
  type PackagedServer,
  readFiles,
} from '../host/packaged.ts'
import type { StoreTarget } from '../host/store.ts'
import { type Digest, digestOf } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import type { Entry, Tree } from '../model/tree.ts'
import type { Cache } from '../oci/cache.ts'
import type { DistributionLayout } from '../postgres/distribution.ts'
import { isElf, readElf } from '../postgres/elf.ts'
import type { ImageFacts, ServerFacts } from '../postgres/facts.ts'
import { type DistributionFacts, readDistributionFacts } from './distribution.ts'
import { unlessUnreadable } from './facts.ts'
import type { FlatImage, WholeFile } from './image.ts'
import { installedImage } from './installed-image.ts'
import { type LoadedMember, placeMember } from './member.ts'
import { providesOf } from './provides.ts'
import { systemOf } from './system.ts'

export interface LoadInstalledOptions {
  /** As in `linux/amd64`. */
  readonly platform: string
  readonly cache: Cache
  readonly signal?: AbortSignal
}

/** Reads the Postgres that packages have put on a host as if an image had brought it; nothing of it is ever sent. */
export async function loadInstalled(
  target: StoreTarget,
  found: { readonly server: PackagedServer; readonly cluster: string },
  options: LoadInstalledOptions,
): Promise<{ member: LoadedMember; facts: DistributionFacts; image: ImageFacts }> {
  const { server, cluster } = found
  const signal = options.signal ? { signal: options.signal } : {}
  const there = await inventory(target, server, signal)
  const flat = flatOf(there, { ...options, pinned: installedImage(cluster), target })
  const layout: DistributionLayout = {
    mode: 'installed',
    layout: server.bin.startsWith('/usr/lib/postgresql/') ? 'debian' : 'rpm',
    server: `${server.bin.slice(1)}/postgres`,
    binDirectory: server.bin.slice(1),
    libraryDirectory: server.library.slice(1),
    shareDirectory: server.share.slice(1),
  }
  const image = await readDistributionFacts(flat, layout)
  const os = await systemOf(flat)
  const { version, major } = image.server as ServerFacts
  const { mode, binDirectory, libraryDirectory, shareDirectory } = layout
  const member = placeMember(flat, placedLinks(layout), {
    digest: digestOf(identity(image, os)),
    major,
    layout: { mode, binDirectory, libraryDirectory, shareDirectory },
  })
  return { member, facts: { ...layout, version, major, os, contrib: providesOf(image) }, image }
}

/**
 * What proofs rest on: a library that is patched and offers the same is the same; another build of the server, or of one
 * of its modules, is another one.
 */
function identity({ binaries, links, server, extensions }: ImageFacts, os: string): string {
  const isOwn = (path: string) => path.startsWith('live/') || path.endsWith('/bin/postgres')
  const files = binaries.map(({ digest, ...one }) => (isOwn(one.path) ? { ...one, digest } : one))
  return JSON.stringify([os, server, Object.keys(extensions), files, links], sorted)
}

/** Facts that were kept have their keys in another order than those that are new. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** `extension_destdir` goes before the whole path that a file has on the host, so it must be found below that, too. */
function placedLinks({ libraryDirectory, shareDirectory }: DistributionLayout): Map<string, Entry> {
  const placed = new Map<string, Entry>()
  for (const [path, to] of [
    [libraryDirectory, 'lib'],
    [shareDirectory, 'share'],
  ] as const) {
    placed.set(`live/${to}`, { kind: 'directory' })
    if (!path.startsWith('usr/')) continue
    placed.set(`live/${path}`, { kind: 'link', target: `${'../'.repeat(path.split('/').length - 1)}${to}` })
  }
  return placed
}

function flatOf(
  { files, links }: Inventory,
  options: LoadInstalledOptions & { readonly pinned: string; readonly target: StoreTarget },
): FlatImage {
  const { cache, pinned, platform } = options
  const tree: Tree = new Map<string, Entry>([
    ...files.map(({ path, digest, size }): [string, Entry] => [
      path.slice(1),
      { kind: 'file', digest, size, executable: false },
    ]),
    ...[...links].map(([from, target]): [string, Entry] => [from.slice(1), { kind: 'link', target }]),
  ])
  const key = `${digestOf(files.map(({ digest, path }) => `${digest} ${path}\n`).join(''))} installed`
  return {
    image: { manifest: digestOf(pinned), platform, platforms: [platform], labels: {}, annotations: {}, layers: [] },
    pinned,
    tree,
    // Its tree has no files.
    contents: async function* () {},
    read: (wanted, how) => readFrom(files, wanted, { ...options, isEdged: how?.edges === true }),
    derived: async (kind, schema, derive) => {
      const known = await cache.readJson(kind, key, schema)
      if (known !== undefined) return known
      const made = await derive()
      await cache.writeJson(kind, key, made)
      return made
    },
  }
}

/** What one command brings, before it is compressed. */
const mostAtOnce = 32 * 1024 ** 2
const mostWhole = 128 * 1024 ** 2

interface Part extends HostFile {
  /** How much of both ends; undefined for all of it. */
  readonly edges: Edges | undefined
}

/** The loader's tables are mostly near the ends. */
const rounds: readonly Edges[] = [
  { head: 512 * 1024, tail: 256 * 1024 },
  { head: 8 * 1024 ** 2, tail: 1024 ** 2 },
]

async function* readFrom(
  files: readonly HostFile[],
  wanted: ReadonlySet<Digest>,
  options: { readonly target: StoreTarget; readonly isEdged: boolean; readonly signal?: AbortSignal },
): AsyncIterable<WholeFile> {
  let open = [...new Map(files.filter(({ digest }) => wanted.has(digest)).map((file) => [file.digest, file])).values()]
  if (!options.isEdged) {
    const whole = open.filter(({ size }) => size <= mostWhole).map((file) => ({ ...file, edges: undefined }))
    for await (const [, read] of readParts(whole, options)) yield read
    return
  }
  for (const [round, edges] of rounds.entries()) {
    const again: HostFile[] = []
    const parts = open.map((file) => ({ ...file, edges: file.size <= edges.head + edges.tail ? undefined : edges }))
    for await (const [file, read] of readParts(parts, options)) {
      if (round + 1 < rounds.length && !hasTables(read)) again.push(file)
      else yield read
    }
    open = again
  }
}

function hasTables({ bytes, hole }: WholeFile): boolean {
  return hole === undefined || !isElf(bytes) || typeof unlessUnreadable(() => readElf(bytes, hole)) !== 'string'
}

async function* readParts(
  parts: readonly Part[],
  options: { readonly target: StoreTarget; readonly signal?: AbortSignal },
): AsyncIterable<[Part, WholeFile]> {
  const { target } = options
  const signal = options.signal ? { signal: options.signal } : {}
  for (const open = [...parts]; open.length > 0; ) {
    const batch: Part[] = []
    for (let bytes = 0; open.length > 0 && bytes < mostAtOnce; ) {
      const next = open.shift() as Part
      bytes += lengthOf(next)
      batch.push(next)
    }
    const read = await readFiles(target, batch, signal)
    for (const part of batch) {
      const bytes = read.get(part.path)
      const isRight = bytes?.length === lengthOf(part) && (part.edges || digestOf(bytes) === part.digest)
      if (bytes === undefined || !isRight)
        throw new ProviderError(
          'STORE_CHANGED',
          `Cannot read the Postgres of ${target.transport.name}: ${printable(part.path)} changed meanwhile; run it again`,
        )
      yield [part, { digest: part.digest, ...spread(bytes, part) }]
    }
  }
}

function lengthOf({ size, edges }: Part): number {
  return edges ? edges.head + edges.tail : size
}

function spread(bytes: Buffer, { size, edges }: Part): Pick<WholeFile, 'bytes' | 'hole'> {
  if (edges === undefined) return { bytes }
  const whole = Buffer.alloc(size)
  const hole = { from: edges.head, to: size - edges.tail }
  bytes.copy(whole, 0, 0, edges.head)
  bytes.copy(whole, hole.to, edges.head)
  return { bytes: whole, hole }
}
