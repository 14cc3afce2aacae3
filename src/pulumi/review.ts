import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { providesSchema } from '../engine/provides.ts'
import { compareImages } from '../postgres/comparison.ts'
import { changeLines, impactLine } from '../postgres/comparison-lines.ts'
import type { ImageSide } from '../postgres/image-side.ts'
import { type Found, findAtHand } from './find.ts'
import { signal } from './interrupt.ts'
import type { Inputs, Kind, Pinned, Values } from './kind.ts'
import { instanceOf, type Standing } from './married.ts'
import { isSamePlace } from './same-place.ts'
import { keyOf } from './session.ts'
import { only } from './state.ts'

/** Inputs for who reviews a change of image. They stay until the next one, so that a state at rest shows none. */
export const reviewKeys = ['impact', 'changes']

/**
 * What a change of image does to a running database, and what it changes. The former image is looked for where that
 * costs no download; where nobody has it any more, its versions are still known.
 */
export async function review(
  kind: Kind,
  inputs: Inputs & Pinned & Values,
  { found, olds }: { readonly found: Found; readonly olds: Values },
): Promise<Values> {
  const isHere = isSamePlace(olds, inputs) && typeof olds['image'] === 'string'
  if (isHere && ['digest', 'platform', 'include'].every((key) => isDeepStrictEqual(olds[key], inputs[key])))
    return only(olds, reviewKeys)
  const former = isHere ? await formerOf(kind, inputs, olds) : undefined
  const before = isHere ? sideOf(olds, former) : undefined
  const server = instanceOf(keyOf(inputs)).distribution?.standing ?? standingOf(inputs, isHere ? olds : undefined)
  const changes = compareImages(before, sideOf(found.facts, found), { server })
  const lines = changeLines(changes, { isNew: !isHere, compression: found.loaded?.compression })
  return { impact: impactLine(changes), changes: lines }
}

async function formerOf(kind: Kind, inputs: Inputs & Pinned, olds: Values): Promise<Found | undefined> {
  const [image, digest, platform] = ['image', 'digest', 'platform'].map((key) => String(olds[key])) as [
    string,
    string,
    string,
  ]
  // That it is damaged or gone is no reason to refuse the next one.
  const part = { baseLayers: olds['baseLayers'], include: olds['include'] }
  const found = await findAtHand(kind, { ...inputs, ...part, image, digest, platform }).catch(() => undefined)
  signal.throwIfAborted()
  return found
}

/** Where no check of this run has seen its distribution. */
function standingOf(inputs: Values, olds: Values | undefined): Standing {
  return olds === undefined || olds['distributionDigest'] === inputs['distributionDigest'] ? 'same' : 'other'
}

const toldSchema = z.object({
  provides: providesSchema.optional(),
  postgresVersion: z.string().optional(),
  postgresMajor: z.number().optional(),
  libc: z.string().optional(),
  icu: z.string().optional(),
  __contrib: z.record(z.string(), z.string()).optional(),
})

/** @param values what state or image tell of it, by the names that previews have */
function sideOf(values: unknown, found: Found | undefined): ImageSide {
  const { data = {} } = toldSchema.safeParse(values)
  const { postgresVersion: version, postgresMajor: major, libc, icu, __contrib = {} } = data
  // Extensions know the version of their distribution, too.
  const isServer = data.provides === undefined && version !== undefined && major !== undefined
  const contrib = Object.entries(__contrib).map(([name, one]) => [name, { version: one, requires: [] }])
  return {
    tree: found?.tree,
    facts: found?.image,
    server: isServer ? { version, major, libc, icu } : undefined,
    major: found?.member.major,
    provides: data.provides ?? Object.fromEntries(contrib),
  }
}
