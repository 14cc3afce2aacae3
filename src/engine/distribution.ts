import { z } from 'zod'
import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { emptyFile } from '../model/manifest.ts'
import { addParents, type Entry } from '../model/tree.ts'
import { type DistributionLayout, findDistribution } from '../postgres/distribution.ts'
import { readServerVersion } from '../postgres/magic.ts'
import { mountPoints } from '../postgres/unit.ts'
import { type FlatImage, type ImageRequest, readFlatImage } from './image.ts'
import { type LoadedMember, placeMember } from './member.ts'

export interface DistributionFacts extends DistributionLayout {
  readonly version: string
  readonly major: number
}

const versionSchema = z.object({ version: z.string(), major: z.number() })

/** Reads and places a distribution; `store` is the folder on the host, which its tree needs as a mount point. */
export async function loadDistribution(
  request: ImageRequest,
  store: string,
): Promise<{ member: LoadedMember; facts: DistributionFacts }> {
  const flat = await readFlatImage(request, 'strip')
  const layout = findDistribution(flat.tree, flat.pinned)
  const found = await flat.derived('server-v1', versionSchema, () => versionOf(flat, layout))
  const { libraryDirectory, shareDirectory, mode, binDirectory } = layout
  const placed = new Map<string, Entry>()
  for (const [path, entry] of flat.tree) {
    const live = within(path, libraryDirectory, 'live/lib') ?? within(path, shareDirectory, 'live/share')
    placed.set(live ?? `root/${path}`, entry)
  }
  if (mode === 'rootfs') addMountPoints(placed, store)
  const member = placeMember(flat, placed, {
    digest: request.digest,
    major: found.major,
    layout: { mode, binDirectory, libraryDirectory, shareDirectory },
  })
  return { member, facts: { ...layout, ...found } }
}

async function versionOf(flat: FlatImage, layout: DistributionLayout) {
  const server = flat.tree.get(layout.server) as { digest: Digest }
  for await (const { bytes } of flat.read(new Set([server.digest]))) {
    const found = readServerVersion(bytes)
    if (found !== undefined) return found
  }
  throw new ProviderError(
    'NOT_POSTGRES',
    `Cannot use ${flat.pinned} as a distribution: ${layout.server} tells no Postgres version`,
  )
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
