import type { Probe } from '../host/answer.ts'
import type { Digest } from '../model/digest.ts'
import { parseManifest } from '../model/manifest.ts'
import { printable, quote } from '../model/quote.ts'
import type { Tree } from '../model/tree.ts'
import { type Drift, driftOf, findDrift, memberPath } from './drift.ts'
import { describeDrift } from './drift-text.ts'
import { distributionName, type Member, parseRecord, type Record } from './record.ts'

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
  const back = record && describeRollback(record)
  if (record === undefined || member === undefined) {
    if (back !== undefined) return [`${back}: nothing of this resource is on the host; up installs it again`]
    const who = record === undefined ? '' : ` since generation ${seen.shown}${byWhom(record)}`
    return [`missing: nothing of this resource is on the host${who}; up installs it again`]
  }
  if (member.token !== own.token) {
    if (member.stack === own.stack) return ['taken over: another resource of this stack declares it; up takes it back']
    return [`taken over: the stack ${quote(member.stack)} declares it now; remove it from one of the two stacks`]
  }
  const lines = own.name === distributionName ? unwanted(record) : []
  if (member.treeDigest !== own.treeDigest)
    lines.unshift(
      back === undefined
        ? `other content: the host is at ${printable(member.image)}, generation ${seen.shown}${byWhom(record)}; up goes back to the declared image`
        : `${back}: up installs the declared image again; the host has ${printable(member.image)}`,
    )
  const drift = findDrift(seen)
  // A manifest can have many thousand lines, and every resource of the host asks.
  if (drift.length === 0) return lines
  const trees = treesOf(seen)
  const tree = trees.get(member.treeDigest) ?? new Map()
  const others = record.members.filter((one) => one !== member).flatMap((one) => trees.get(one.treeDigest) ?? [])
  // What nobody brings is reported once, by the distribution. So are the store's own files.
  const mine =
    own.name === distributionName ? driftOf(drift, tree, others) : drift.filter((one) => tree.has(memberPath(one)))
  // Which generation it is concerns those whose content differs.
  return [...lines, ...describeDrift(mine.filter(({ kind }) => kind !== 'generation'))]
}

/** Who rolled an instance back, when and to what: its record says so until all is as declared again. */
function describeRollback({ rolledBack }: Record): string | undefined {
  if (rolledBack === undefined) return undefined
  const { who, when, to } = rolledBack
  // Pulumi shows the first 150 characters of a line.
  const minute = printable(when).replace(/^(\S{10})T(\S{5}).*Z$/, '$1 $2 UTC')
  return `rolled back to generation ${to} by ${printable(who)} on ${minute}`
}

/** What only the generation has that was gone back to. */
function unwanted(record: Record): string[] {
  const declared = new Set(record.rolledBack?.declared.map(({ name }) => name))
  const back = describeRollback(record)
  return record.members
    .filter(({ name }) => back !== undefined && !declared.has(name))
    .map(({ name }) => `${back}: ${quote(name)} is there again, which nobody declares; up removes it`)
}

function byWhom({ who, when }: Record): string {
  return ` by ${printable(who)} at ${printable(when)}`
}

/** Who brings what differs: by the name of the member, `distribution` for what nobody brings. */
export function bringerOf(seen: Probe, members: readonly Member[]): (drift: Drift) => string {
  const trees = treesOf(seen)
  return (drift) => {
    const by = members.find(({ treeDigest }) => trees.get(treeDigest)?.has(memberPath(drift)))
    return by?.name ?? distributionName
  }
}

function treesOf(seen: Probe): Map<Digest, Tree> {
  const trees = new Map<Digest, Tree>()
  for (const [digest, text] of seen.manifests) trees.set(digest, parseManifest(text))
  return trees
}
