import type { Probe } from '../host/probe.ts'
import type { Digest } from '../model/digest.ts'
import { parseManifest } from '../model/manifest.ts'
import { quote } from '../model/quote.ts'
import type { Tree } from '../model/tree.ts'
import { describeDrift, driftOf, findDrift } from './drift.ts'
import { distributionName, parseRecord } from './record.ts'

/**
 * What is not as one member declared it, in lines for a person: what, where, what it means, what `up` will do.
 * Nothing for a member that is as declared.
 */
export function reportDrift(
  seen: Probe,
  own: {
    readonly name: string
    readonly token: string
    readonly treeDigest: string
    readonly stack: string
    readonly host: string
  },
): string[] {
  const record = seen.record === undefined ? undefined : parseRecord(seen.record, own.host)
  const member = record?.members.find(({ name }) => name === own.name)
  if (record === undefined || member === undefined) {
    return ['missing: nothing of this resource is on the host; up installs it again']
  }
  if (member.token !== own.token) {
    if (member.stack === own.stack) return ['taken over: another resource of this stack declares it; up takes it back']
    return [`taken over: the stack ${quote(member.stack)} declares it now; remove it from one of the two stacks`]
  }
  const lines =
    member.treeDigest === own.treeDigest
      ? []
      : [`other content: the host was changed to ${member.image}; up goes back to the declared image`]
  const drift = seen.trees
    .filter(({ generation }) => generation === seen.generation)
    .flatMap(({ role, name }) => findDrift(role === 'root' ? 'root' : 'live', seen.deviations.get(name) ?? []))
  // A manifest can have many thousand lines, and every resource of the host asks.
  if (drift.length === 0) return lines
  const trees = new Map<Digest, Tree>()
  for (const [digest, text] of seen.manifests) trees.set(digest, parseManifest(text))
  const tree = trees.get(member.treeDigest) ?? new Map()
  const others = record.members.filter((one) => one !== member).flatMap((one) => trees.get(one.treeDigest) ?? [])
  // What nobody brings is reported once, by the distribution.
  const mine = own.name === distributionName ? driftOf(drift, tree, others) : drift.filter(({ path }) => tree.has(path))
  return [...lines, ...describeDrift(mine)]
}

/** What is not as the host's own record says, in lines for a person. */
export function reportInstance(seen: Probe): string[] {
  return describeDrift(
    seen.trees
      .filter(({ generation }) => generation === seen.generation)
      .flatMap(({ role, name }) => findDrift(role === 'root' ? 'root' : 'live', seen.deviations.get(name) ?? [])),
  )
}
