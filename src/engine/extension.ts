import { ProviderError } from '../model/error.ts'
import { nameOf } from '../model/tree.ts'
import { placeExtension, placeOf } from '../postgres/extension.ts'
import type { ImageFacts } from '../postgres/facts.ts'
import { readFacts } from './facts.ts'
import { factsSchema } from './facts-schema.ts'
import { type ImageRequest, readFlatImage } from './image.ts'
import { type LoadedMember, placeMember } from './member.ts'
import { type Provides, providesOf } from './provides.ts'

export interface ExtensionSummary {
  /** The Postgres that its modules are built for; absent when it has none. */
  readonly major: number | undefined
  readonly provides: Provides
}

/** Reads and places an extension image. */
export async function loadExtension(
  request: ImageRequest,
): Promise<{ member: LoadedMember; facts: ExtensionSummary; image: ImageFacts }> {
  const flat = await readFlatImage(request, 'refuse')
  if ([...flat.tree.keys()].some((path) => nameOf(path) === 'postgres.bki')) {
    throw new ProviderError(
      'NOT_POSTGRES',
      `Cannot use ${flat.pinned} as an extension: it is a whole Postgres, which goes into new Distribution(…)`,
    )
  }
  const placed = new Map(placeExtension(flat.tree, flat.pinned).map(({ path, entry }) => [path, entry]))
  const image = await flat.derived('extension-facts-v2', factsSchema, () =>
    readFacts(flat, { placeOf, isBinary: (path) => /\.so(?:\.|$)/.test(nameOf(path)) || /\/s?bin\/[^/]+$/.test(path) }),
  )
  const major = majorOf(image, flat.pinned)
  const member = placeMember(flat, placed, { digest: request.digest, major })
  return { member, facts: { major, provides: providesOf(image) }, image }
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
