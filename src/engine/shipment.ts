import type { Probe } from '../host/answer.ts'
import type { Digest } from '../model/digest.ts'
import type { Tree } from '../model/tree.ts'
import { type Generation, presentMembers } from './generation.ts'
import { currentLikes, likeOf, noLikes } from './like.ts'
import { objectsOf, type StoreObject } from './objects.ts'
import type { Member, Record } from './record.ts'
import type { Shipment } from './send.ts'

/** What of a shipment is known before the host is asked which single objects it lacks. */
interface Plan extends Pick<Shipment, 'trees' | 'manifests' | 'bad'> {
  /** Of the trees that will be there, by name. */
  readonly objects: ReadonlyMap<string, StoreObject>
  /** Names of objects that the host has, or whose lack it has told already. */
  readonly known: ReadonlySet<string>
}

interface Next {
  readonly generation: Generation
  readonly before: Record | undefined
  readonly members: readonly Member[]
  /** Those of them whose trees the host should have from a former generation. */
  readonly reused: readonly Member[]
  /** Of all members, and of those before, as far as they are known; by their digests. */
  readonly trees: ReadonlyMap<Digest, Tree>
  /** Objects that the host was asked for along with `seen`. */
  readonly asked: readonly string[]
  /** Whether it has turned out to be another than an earlier look saw. */
  readonly isSuspect: boolean
}

/** Whether a host has said that it has a member's manifest, or has sent it. */
export function isThere({ manifests, held }: Probe, { treeDigest }: Member): boolean {
  return manifests.has(treeDigest) || held.has(treeDigest)
}

/**
 * What has to be sent of a generation: of a host that is as it should be, what is new there; of another one, everything.
 *
 * @param home folder of the instance
 */
export function planShipment(seen: Probe, next: Next, home: string): Plan {
  const { generation, before, members, reused, trees, asked } = next
  const isDamaged = seen.deviations.size > 0 || seen.bad.size > 0 || seen.store.length > 0
  const isSuspect = next.isSuspect || isDamaged || reused.some((member) => !isThere(seen, member))
  const likes = isSuspect || before === undefined ? noLikes : currentLikes(seen, before, { trees, home })
  const written = (['root', 'live'] as const)
    .filter((role) => isSuspect || generation[role].isNew)
    .map((role) => ({ ...generation[role], like: likeOf(likes.tree(role), generation[role].tree) }))
  const objects = objectsOf(written.map(({ tree }) => tree))
  const isKnown = !isSuspect && written.length > 0
  const there = isKnown ? [...presentMembers(before?.members ?? []), ...reused] : []
  const whole = objectsOf(there.flatMap(({ treeDigest }) => trees.get(treeDigest) ?? []))
  // The probe has proven the others to be there, and their hashes make megabytes that do not compress.
  const newManifests = members
    .filter((member) => isSuspect || !isThere(seen, member))
    .map(({ name, treeDigest }) => {
      const tree = trees.get(treeDigest) as Tree
      return { tree, like: likeOf(likes.member(name), tree) }
    })
  return {
    objects,
    known: new Set([...whole.keys(), ...asked]),
    bad: [...seen.bad].filter((name) => objects.has(name)),
    trees: written.filter(({ isNew }) => isNew),
    manifests: [...written, ...newManifests],
  }
}
