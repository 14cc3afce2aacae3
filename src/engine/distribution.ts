import { emptyFile } from '../model/manifest.ts'
import { addParents, type Entry, parentOf, type Tree } from '../model/tree.ts'
import { type DistributionLayout, findDistribution } from '../postgres/distribution.ts'
import type { ImageFacts, ServerFacts } from '../postgres/facts.ts'
import { mountPoints } from '../postgres/unit.ts'
import { readFacts } from './facts.ts'
import { factsSchema } from './facts-schema.ts'
import { type FlatImage, type ImageRequest, readFlatImage } from './image.ts'
import { type LoadedMember, placeMember } from './member.ts'
import { onceFor } from './once.ts'
import { type Provides, providesOf } from './provides.ts'
import { readServerFacts } from './server-facts.ts'
import { systemOf } from './system.ts'

export interface DistributionFacts extends DistributionLayout {
  readonly version: string
  readonly major: number
  /** `bookworm`, `alpine3.20`; `none` for an image without an operating system. */
  readonly os: string
  /** What `CREATE EXTENSION` can create without any extension image. */
  readonly contrib: Provides
}

/** Folders that loaders know or are told of: what lies elsewhere is opened by its path. */
const libraries = /^root\/(?:.+\/)?lib(?:64|32|x32)?(?:\/[a-z0-9_]+-linux-[a-z0-9]+)?\/[^/]+\.so(?:\.[^/]*)?$/

const layoutOnce = onceFor<Tree>()

/** Reads and places a distribution; `store` is the folder on the host, which its tree needs as a mount point. */
export async function loadDistribution(
  request: ImageRequest,
  store: string,
): Promise<{ member: LoadedMember; facts: DistributionFacts; image: ImageFacts }> {
  const flat = await readFlatImage(request, 'strip')
  const layout = layoutOnce(flat.tree, 'layout', () => findDistribution(flat.tree, flat.pinned))
  const { libraryDirectory, shareDirectory, mode, binDirectory } = layout
  const image = await readDistributionFacts(flat, layout)
  const { version, major } = image.server as ServerFacts
  const place = () => {
    const placed = new Map([...flat.tree].map(([path, entry]): [string, Entry] => [placeOf(path, layout), entry]))
    if (mode === 'rootfs') addMountPoints(placed, store)
    return placed
  }
  const member = placeMember(
    flat,
    { how: `distribution in ${store}`, place },
    {
      digest: request.digest,
      major,
      layout: { mode, binDirectory, libraryDirectory, shareDirectory },
    },
  )
  const os = await systemOf(flat)
  return { member, facts: { ...layout, version, major, os, contrib: providesOf(image) }, image }
}

/** What the bytes of a distribution say; kept, so that they are read once. */
export function readDistributionFacts(flat: FlatImage, layout: DistributionLayout): Promise<ImageFacts> {
  const programs = `root/${layout.binDirectory}`
  // Of a host there is nothing but what loaders know.
  const isLibrary = (path: string) => libraries.test(path) || (layout.mode === 'installed' && path.startsWith('root/'))
  const isBinary = (path: string) =>
    parentOf(path) === programs || isLibrary(path) || (path.startsWith('live/lib/') && /\.so(?:\.|$)/.test(path))
  return flat.derived('distribution-facts-v5', factsSchema, async () => {
    const [facts, server] = await Promise.all([
      readFacts(flat, { placeOf: (path) => placeOf(path, layout), isBinary }),
      readServerFacts(flat, layout),
    ])
    const layers = flat.image.layers.flatMap(({ diffId }) => diffId ?? [])
    return { ...facts, server: { ...server, layers } }
  })
}

function placeOf(path: string, { libraryDirectory, shareDirectory }: DistributionLayout): string {
  return within(path, libraryDirectory, 'live/lib') ?? within(path, shareDirectory, 'live/share') ?? `root/${path}`
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
    if (tree.get(`root/${path}`)?.kind === 'file') continue
    tree.set(`root/${path}`, { kind: 'file', digest: emptyFile, size: 0, executable: false })
  }
}
