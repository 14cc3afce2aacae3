import type { Probe } from '../host/answer.ts'
import type { Digest } from '../model/digest.ts'
import { parseManifest } from '../model/manifest.ts'
import type { Tree } from '../model/tree.ts'
import { lately } from './lately.ts'
import type { LoadedMember } from './member.ts'
import type { Member } from './record.ts'

/** Trees that hosts have told. */
const parsed = lately<Tree>(16)

/** The trees of members, by their digests: what this machine has at hand, what the host has told, and what only an image tells. */
export async function treesOf(
  members: readonly Member[],
  from: {
    readonly seen: Probe
    readonly atHand: ReadonlyMap<Digest, Tree>
    readonly load: (member: Member) => Promise<LoadedMember>
  },
): Promise<Map<Digest, Tree>> {
  const trees = new Map(from.atHand)
  for (const [digest, text] of from.seen.manifests)
    trees.set(
      digest,
      parsed(digest, () => parseManifest(text)),
    )
  for (const member of members) {
    if (!trees.has(member.treeDigest)) trees.set(member.treeDigest, (await from.load(member)).tree)
  }
  return trees
}
