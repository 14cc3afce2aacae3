import { digestOf, shortDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { nameOf, type Tree } from '../model/tree.ts'
import { placeExtension, placeOf } from '../postgres/extension.ts'
import type { ImageFacts } from '../postgres/facts.ts'
import { readFacts } from './facts.ts'
import { factsSchema } from './facts-schema.ts'
import { type FlatImage, type ImageRequest, readFlatImage, readImageOf } from './image.ts'
import { type LoadedMember, placeMember } from './member.ts'
import { onceFor } from './once.ts'
import { included, isOfSystem, layersOfBase, type Part, toPart } from './part.ts'
import { type Provides, providesOf } from './provides.ts'

interface ExtensionSummary {
  /** The Postgres that its modules are built for; absent when it has none. */
  readonly major: number | undefined
  readonly provides: Provides
}

interface LoadedExtension {
  readonly member: LoadedMember
  readonly facts: ExtensionSummary
  readonly image: ImageFacts
  readonly part: Part
}

interface PartOfImage {
  /** Without the layers of its base. */
  readonly flat: FlatImage
  readonly part: Part
  /** Whether a path of it belongs to the extension. */
  has(path: string): boolean
}

const chosenOnce = onceFor<Tree>()

/**
 * Reads what an extension is made of: all of an image, the part that the request names, or what it adds to the
 * distribution that it was built on.
 *
 * @param base the diff IDs of the distribution's layers, where the request does not tell how many of them it has
 */
export async function readPart(request: ImageRequest, base: readonly string[] = []): Promise<PartOfImage> {
  const { include } = request.part ?? {}
  const baseLayers = include ? 0 : (request.part?.baseLayers ?? layersOfBase((await readImageOf(request)).layers, base))
  // A whole system has setuid files, and what is named of it is not run by them.
  const flat = await readFlatImage(request, include ? 'strip' : 'refuse', baseLayers)
  const chosen =
    include && chosenOnce(flat.tree, JSON.stringify(include), () => included(flat.tree, include, flat.pinned))
  if (!chosen) refuseServer(flat)
  const has = (path: string) => (chosen ? chosen.has(path) : baseLayers === 0 || !isOfSystem(path))
  return { flat, part: toPart({ baseLayers, include }), has }
}

/** Reads and places an extension image, or its part ({@link readPart}). */
export async function loadExtension(request: ImageRequest, base?: readonly string[]): Promise<LoadedExtension> {
  const { flat, part, has } = await readPart(request, base)
  const place = (path: string) => (has(path) ? placeOf(path) : undefined)
  const { include } = part
  const kind = `extension-facts-v5${include ? `-${shortDigest(digestOf(include.join('\n')))}` : ''}`
  const image = await flat.derived(kind, factsSchema, () =>
    readFacts(flat, {
      placeOf: place,
      isBinary: (path) => /\.so(?:\.|$)/.test(nameOf(path)) || /\/s?bin\/[^/]+$/.test(path),
    }),
  )
  const major = majorOf(image, flat.pinned)
  const placed = () => new Map(placeExtension(flat.tree, flat.pinned, place).map(({ path, entry }) => [path, entry]))
  const how = { how: `extension ${JSON.stringify(part)}`, place: placed }
  const member = placeMember(flat, how, { digest: request.digest, major })
  return { member, facts: { major, provides: providesOf(image) }, image, part }
}

function refuseServer({ tree, pinned }: FlatImage): void {
  if (![...tree.keys()].some((path) => nameOf(path) === 'postgres.bki')) return
  throw new ProviderError(
    'NOT_POSTGRES',
    `Cannot use ${pinned} as an extension: it is a whole Postgres, and its lowest layers are not those of the distribution; declare the one that it was built on, or name the extension's files with include; a server itself goes into new Distribution(…)`,
  )
}

function majorOf({ binaries }: ImageFacts, pinned: string): number | undefined {
  const majors = new Map(binaries.flatMap(({ path, magic }) => (magic ? [[magic.major, path]] : [])))
  const [major, other] = [...majors.keys()]
  if (major === undefined || other === undefined) return major
  throw new ProviderError(
    'NOT_MARRIED',
    `Cannot use ${pinned}: ${majors.get(major)} is built for Postgres ${major}, ${majors.get(other)} for ${other}; choose an image built for one`,
  )
}
