import type { Inventory } from '../host/inventory.ts'
import type { PackagedServer } from '../host/packaged.ts'
import type { StoreTarget } from '../host/store.ts'
import { digestOf } from '../model/digest.ts'
import type { Entry, Tree } from '../model/tree.ts'
import type { Cache } from '../oci/cache.ts'
import type { DistributionLayout } from '../postgres/distribution.ts'
import type { ImageFacts, ServerFacts } from '../postgres/facts.ts'
import { settingsFor } from '../postgres/packaged.ts'
import { type DistributionFacts, readDistributionFacts } from './distribution.ts'
import { listHostFiles, readHostFiles } from './host-files.ts'
import type { FlatImage } from './image.ts'
import { installedImage } from './installed-image.ts'
import { type LoadedMember, placeMember } from './member.ts'
import { providesOf } from './provides.ts'
import { systemOf } from './system.ts'

export interface LoadInstalledOptions {
  /** As in `linux/amd64`. */
  readonly platform: string
  readonly cache: Cache
  /** `full` believes no file to be what it was because it looks as it did; default `quick`. */
  readonly verify?: 'quick' | 'full'
  readonly signal?: AbortSignal
}

/**
 * Reads the Postgres that packages have put on a host as if an image had brought it; nothing of it is ever sent.
 *
 * @throws ProviderError NOT_POSTGRES for a server that loads extensions from its own folders only
 */
export async function loadInstalled(
  target: StoreTarget,
  found: { readonly server: PackagedServer; readonly cluster: string },
  options: LoadInstalledOptions,
): Promise<{ member: LoadedMember; facts: DistributionFacts; image: ImageFacts }> {
  const { server, cluster } = found
  // One that cannot be led to a store is refused before anything is read.
  settingsFor(server, '')
  const there = await listHostFiles(target, server, options)
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
  const member = placeMember(
    flat,
    { how: 'links', place: () => placedLinks(layout) },
    {
      digest: digestOf(identity(image, os)),
      major,
      layout: { mode, binDirectory, libraryDirectory, shareDirectory },
    },
  )
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
    // These are what it leads to itself.
    if (/^(?:lib|share|system)\//.test(path)) continue
    placed.set(`live/${path}`, { kind: 'link', target: `${'../'.repeat(path.split('/').length - 1)}${to}` })
  }
  return placed
}

function flatOf(
  { files, links }: Inventory,
  options: LoadInstalledOptions & { readonly pinned: string; readonly target: StoreTarget },
): FlatImage {
  const { cache, pinned, platform, target } = options
  const tree: Tree = new Map<string, Entry>([
    ...files.map(({ path, digest, size }): [string, Entry] => [
      path.slice(1),
      { kind: 'file', digest, size, executable: false },
    ]),
    ...[...links].map(([from, target]): [string, Entry] => [from.slice(1), { kind: 'link', target }]),
  ])
  // What a host says of its files is used for this host only: nobody can prove the ends of a file by its digest.
  const key = `${digestOf(files.map(({ digest, path }) => `${digest} ${path}\n`).join(''))} ${target.transport.name}`
  return {
    image: { manifest: digestOf(pinned), platform, platforms: [platform], labels: {}, annotations: {}, layers: [] },
    pinned,
    tree,
    // Its tree has no files.
    contents: async function* () {},
    read: (wanted, how) => readHostFiles(files, wanted, { ...options, isEdged: how?.edges === true }),
    derived: (kind, schema, derive) => cache.json(kind, key, schema, derive),
  }
}
