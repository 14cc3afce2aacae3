import { hexOf } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { addParents, byBytes, type Tree } from '../model/tree.ts'
import { placeExtension } from '../postgres/extension.ts'
import { baseOf } from './base.ts'
import { loadDistribution } from './distribution.ts'
import { loadExtension, readPart } from './extension.ts'
import { type FlatImage, type ImageRequest, readFlatImage } from './image.ts'
import type { Inspection, TreeLine } from './inspection.ts'
import { libcOf } from './libc.ts'
import { providesOf } from './provides.ts'

type Findings = Pick<
  Inspection,
  'kind' | 'why' | 'layout' | 'mode' | 'postgres' | 'provides' | 'libc' | 'baseLayers' | 'include'
>

/** What of an image counts, and what that is. */
interface Seen {
  readonly flat: FlatImage
  readonly tree: Tree
  readonly findings: Findings
}

/**
 * What an image is, read the way `pulumi up` reads it: what `up` refuses whatever it is declared as, this refuses with
 * the same error. One that is neither distribution nor extension is of kind `unknown`, and says why.
 *
 * @param bases what it may be built on; with any, or when the request names a part, it is read as an extension
 */
export async function inspectImage(
  request: ImageRequest,
  reference: string,
  bases: readonly ImageRequest[] = [],
): Promise<{ readonly inspection: Inspection; readonly tree: Tree }> {
  const isPart = request.part?.include !== undefined || bases.length > 0
  const { flat, tree, findings } = isPart ? await seePart(request, bases) : await seeAll(request)
  const { manifest, platform, platforms, layers, labels, annotations } = flat.image
  const inspection: Inspection = {
    ...{ reference, image: flat.pinned, digest: request.digest, manifest, platform, platforms: [...platforms] },
    layers: layers.map(({ digest, size, mediaType }) => ({ digest, size, mediaType })),
    ...{ labels, annotations, entries: tree.size },
    bytes: [...tree.values()].reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.size : 0), 0),
    ...findings,
  }
  return { inspection, tree }
}

async function seePart(request: ImageRequest, bases: readonly ImageRequest[]): Promise<Seen> {
  const { flat, part, has } = await readPart(request, await baseOf(request, bases))
  const tree = new Map([...flat.tree].filter(([path]) => has(path)))
  for (const path of [...tree.keys()]) addParents(tree, path)
  const { baseLayers, include } = part
  const findings = await extensionFindings({ ...request, part })
  return {
    flat,
    tree,
    findings: { ...findings, ...(baseLayers ? { baseLayers } : {}), ...(include ? { include: [...include] } : {}) },
  }
}

async function seeAll(request: ImageRequest): Promise<Seen> {
  const flat = await readFlatImage(request, 'strip')
  return { flat, tree: flat.tree, findings: await findingsOf(request, flat) }
}

async function findingsOf(request: ImageRequest, flat: FlatImage): Promise<Findings> {
  const distribution = await unlessOther(() => distributionFindings(request))
  if (!(distribution instanceof ProviderError)) return distribution
  // Setuid files are refused in an extension, and no matter in what is none: Debian's own image has them.
  const looksLike = await unlessOther(async () => placeExtension(flat.tree, flat.pinned))
  const extension = looksLike instanceof ProviderError ? looksLike : await unlessOther(() => extensionFindings(request))
  if (!(extension instanceof ProviderError)) return extension
  return { kind: 'unknown', why: [distribution.message, extension.message], provides: {} }
}

async function distributionFindings(request: ImageRequest): Promise<Findings> {
  // Where its store is on a host matters to no fact.
  const { facts, image } = await loadDistribution(request, '/var/lib/pgoci')
  const libc = libcOf(image)
  return {
    kind: 'distribution',
    why: [`server: ${facts.server}`],
    layout: facts.layout,
    // No image is `installed`.
    ...(facts.mode === 'installed' ? {} : { mode: facts.mode }),
    postgres: { version: facts.version, major: facts.major },
    provides: providesOf(image),
    ...(libc ? { libc } : {}),
  }
}

async function extensionFindings(request: ImageRequest): Promise<Findings> {
  const { member, facts, image } = await loadExtension(request)
  const libc = libcOf(image)
  const matching = (pattern: RegExp) => [...member.tree.keys()].flatMap((path) => pattern.exec(path)?.[1] ?? []).sort()
  const named = (what: string, names: readonly string[]) => (names.length > 0 ? [`${what}: ${names.join(', ')}`] : [])
  return {
    kind: 'extension',
    why: [
      ...named('control files', matching(/^live\/share\/extension\/([^/]+\.control)$/)),
      ...named('modules', matching(/^live\/lib\/([^/]+\.so)$/)),
    ],
    provides: facts.provides,
    ...(facts.major === undefined ? {} : { postgres: { major: facts.major } }),
    ...(libc ? { libc } : {}),
  }
}

/** That an image is of another kind is an answer; every other error is why `up` refuses it. */
export async function unlessOther<T>(find: () => Promise<T>): Promise<T | ProviderError> {
  try {
    return await find()
  } catch (error) {
    if (error instanceof ProviderError && error.code === 'NOT_POSTGRES') return error
    throw error
  }
}

/** The flattened tree, sorted by path; modes as they will be on a host. */
export function* treeLines(tree: Tree): Iterable<TreeLine> {
  for (const [path, entry] of [...tree].sort(([a], [b]) => byBytes(a, b))) {
    if (entry.kind === 'directory') yield { path, kind: 'directory', mode: '0755' }
    else if (entry.kind === 'link') yield { path, kind: 'link', mode: '0777', target: entry.target }
    else {
      const mode = entry.executable ? '0555' : '0444'
      yield { path, kind: 'file', mode, size: entry.size, sha256: hexOf(entry.digest) }
    }
  }
}
