import { isDeepStrictEqual } from 'node:util'
import { parseDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { formatPinned, parseReference } from '../model/reference.ts'
import { findImage, foundOf } from './find.ts'
import type { Inputs, Kind, Pinned, Values } from './kind.ts'
import { meantImage } from './named.ts'
import { review } from './review.ts'
import { hostOf } from './same-place.ts'
import { platformOfHost, resolve } from './session.ts'
import { only } from './state.ts'

/**
 * The inputs with pin, platform and facts. A pin moves only when the reference's text or `repin` does; whatever else
 * changes, and however the host looks, it stays. What is pinned and proven already asks neither registry nor host.
 */
export async function pin(kind: Kind, olds: Values, inputs: Inputs): Promise<Values> {
  const platform = inputs.platform ?? knownPlatform(olds, inputs) ?? (await platformOfHost(inputs))
  const own = await foundThere(kind, olds, { ...inputs, platform })
  if (own) return own
  const meant = await meantImage(olds, inputs, platform)
  const isPinned =
    olds['reference'] === meant.reference &&
    olds['repin'] === inputs.repin &&
    typeof olds['digest'] === 'string' &&
    olds['digest'] === (meant.digest ?? olds['digest'])
  const reference = parseReference(meant.reference)
  const digest = isPinned ? parseDigest(String(olds['digest'])) : (meant.digest ?? (await resolve(reference)))
  const image = formatPinned(reference, digest)
  const pinned: Inputs & Pinned & Values = {
    ...inputs,
    ...meant.told,
    reference: meant.reference,
    image,
    digest,
    platform,
  }
  const isProven =
    isPinned &&
    kind.basis.every((key) => isDeepStrictEqual(olds[key], pinned[key])) &&
    kind.facts.every((fact) => fact in olds)
  if (isProven) {
    const proven = { ...pinned, ...only(olds, [...kind.facts, ...kind.optional]) }
    await kind.remember(proven)
    return proven
  }
  const found = await findImage(kind, pinned)
  const married = await kind.marry(pinned, found, olds)
  return { ...pinned, ...found.facts, ...married, ...(await review(kind, pinned, { found, olds })) }
}

/**
 * What packages have put on a host is what it is: nothing is pinned, and what they have changed is proven anew. Of a host
 * that does not answer, the state tells.
 */
async function foundThere(
  kind: Kind,
  olds: Values,
  inputs: Inputs & { platform: string },
): Promise<Values | undefined> {
  const there = kind.own?.(inputs)
  if (there === undefined) return undefined
  try {
    const one = foundOf(await there)
    const { image, digest } = one.member
    const pinned = { ...inputs, reference: image, image, digest }
    return { ...pinned, ...one.facts, ...(await kind.marry(pinned, one, olds)) }
  } catch (error) {
    const isKnown = hostOf(olds) === hostOf(inputs as unknown as Values) && typeof olds['digest'] === 'string'
    if (!isKnown || !(error instanceof ProviderError) || error.code !== 'HOST_UNREACHABLE') throw error
    const known = only(olds, ['reference', 'image', 'digest', ...kind.facts, ...kind.optional])
    const proven = { ...inputs, ...known } as Inputs & Pinned & Values
    await kind.remember(proven)
    return proven
  }
}

function knownPlatform(olds: Values, inputs: Inputs): string | undefined {
  const isSameHost = hostOf(olds) === hostOf(inputs as unknown as Values)
  return isSameHost && typeof olds['platform'] === 'string' ? olds['platform'] : undefined
}
