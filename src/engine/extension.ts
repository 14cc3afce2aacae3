import { z } from 'zod'
import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { type Entry, nameOf } from '../model/tree.ts'
import { extensionName, placeExtension } from '../postgres/extension.ts'
import { readMagic } from '../postgres/magic.ts'
import { type FlatImage, type ImageRequest, readFlatImage } from './image.ts'
import { type LoadedMember, placeMember } from './member.ts'
import { byName, type Provides, provided, providesSchema } from './provides.ts'

const factsSchema = z.object({
  /** The Postgres that its modules are built for; absent when it has none. */
  major: z.number().optional(),
  provides: providesSchema,
})

export type ExtensionFacts = z.infer<typeof factsSchema>

/** Reads and places an extension image. */
export async function loadExtension(request: ImageRequest): Promise<{ member: LoadedMember; facts: ExtensionFacts }> {
  const flat = await readFlatImage(request, 'refuse')
  if ([...flat.tree.keys()].some((path) => nameOf(path) === 'postgres.bki')) {
    throw new ProviderError(
      'NOT_POSTGRES',
      `Cannot use ${flat.pinned} as an extension: it is a whole Postgres, which goes into new Distribution(…)`,
    )
  }
  const placed = new Map(placeExtension(flat.tree, flat.pinned).map(({ path, entry }) => [path, entry]))
  const facts = await flat.derived('extension-v2', factsSchema, () => factsOf(flat, placed))
  return { member: placeMember(flat, placed, { digest: request.digest, major: facts.major }), facts }
}

async function factsOf(flat: FlatImage, placed: ReadonlyMap<string, Entry>): Promise<ExtensionFacts> {
  const wanted = new Map<Digest, string[]>()
  for (const [path, entry] of placed) {
    const matters = /^live\/lib\/[^/]+\.so$/.test(path) || extensionName(path) !== undefined
    if (!matters || entry.kind !== 'file') continue
    wanted.set(entry.digest, [...(wanted.get(entry.digest) ?? []), path])
  }
  const provides: [string, Provides[string]][] = []
  const majors = new Map<number, string>()
  for await (const { digest, bytes } of flat.read(new Set(wanted.keys()))) {
    for (const path of wanted.get(digest) as string[]) {
      const name = extensionName(path)
      if (name !== undefined) {
        provides.push([name, provided(bytes)])
      } else {
        const magic = readMagic(bytes)
        if (magic) majors.set(magic.major, path)
      }
    }
  }
  const [major, other] = [...majors.keys()]
  if (major !== undefined && other !== undefined) {
    throw new ProviderError(
      'NOT_MARRIED',
      `Cannot use ${flat.pinned}: ${majors.get(major)} is built for Postgres ${major}, ${majors.get(other)} for ${other}; choose an image built for one`,
    )
  }
  return { ...(major === undefined ? {} : { major }), provides: byName(provides) }
}
