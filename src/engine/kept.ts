import { isDeepStrictEqual } from 'node:util'
import type { Probe } from '../host/answer.ts'
import type { Digest } from '../model/digest.ts'
import { parseManifest } from '../model/manifest.ts'
import { objectsOf } from './objects.ts'
import type { Part } from './part.ts'
import { distributionName, type Member, overridesOf, parseRecord, partOf, type Record } from './record.ts'

/** The records of an instance, the current one first, then newer before older. What cannot be read is left out. */
export function recordsOf(seen: Probe, host: string): Map<number, Record> {
  const texts = [...seen.kept].sort(([a], [b]) => b - a)
  if (seen.record !== undefined) texts.unshift([seen.shown, seen.record])
  return new Map(
    texts.flatMap(([number, text]) => {
      try {
        return [[number, parseRecord(text, host)] as const]
      } catch {
        return []
      }
    }),
  )
}

/** A member that says to be this image, in any of the generations that the host keeps. */
export function findMember(
  records: ReadonlyMap<number, Record>,
  image: {
    readonly digest: Digest
    readonly platform: string
    readonly isDistribution: boolean
    readonly part: Part
  },
): { readonly member: Member; readonly layout: Record['layout'] } | undefined {
  for (const { members, layout } of records.values()) {
    const member = members.find(
      ({ name, digest, platform, facts }) =>
        digest === image.digest &&
        platform === image.platform &&
        (name === distributionName) === image.isDistribution &&
        facts !== undefined &&
        isDeepStrictEqual(partOf({ facts }), image.part),
    )
    if (member) return { member, layout }
  }
  return undefined
}

/** What a proof is of: two images for one platform, which part of the extension's, and what was taken on. */
export interface Pair {
  readonly distribution: string | undefined
  readonly extension: string
  readonly platform: string
  readonly part: Part
  readonly overrides: readonly string[]
}

/** Whether a generation that the host keeps has both: it was proven before it was made, and no more was taken on then. */
export function wereTogether(records: ReadonlyMap<number, Record>, pair: Pair): boolean {
  const isPlatform = (member: Member) => member.platform === pair.platform
  return [...records.values()].some(
    ({ members }) =>
      members.some((one) => one.name === distributionName && one.digest === pair.distribution && isPlatform(one)) &&
      members.some(
        (one) =>
          one.name !== distributionName &&
          one.digest === pair.extension &&
          isPlatform(one) &&
          isDeepStrictEqual(partOf(one), pair.part) &&
          overridesOf(one).every((id) => pair.overrides.includes(id)),
      ),
  )
}

/**
 * How many files of a tree are missing or damaged on the host; undefined when it lacks the manifest.
 *
 * @param given a probe that asked for its manifest
 * @param seen a probe that looked at former trees, too
 */
export function damageOf(treeDigest: Digest, given: Probe, seen: Probe): number | undefined {
  const manifest = given.manifests.get(treeDigest)
  if (manifest === undefined) return undefined
  const objects = [...objectsOf([parseManifest(manifest)]).keys()]
  return objects.filter((name) => given.missing.has(name) || seen.bad.has(name)).length
}
