import { isDeepStrictEqual } from 'node:util'
import { ProviderError } from '../model/error.ts'
import type { LoadedMember } from './member.ts'
import { distributionName, type Member, type Record } from './record.ts'

/** One wish of one resource. */
export type Change =
  | { readonly do: 'put'; readonly member: Omit<Member, 'treeDigest'>; readonly loaded: LoadedMember }
  /** An image whose tree the host has had before: only if it has lost some of it, the image is read. */
  | { readonly do: 'reuse'; readonly member: Member; readonly layout: Record['layout'] | undefined }
  | { readonly do: 'delete'; readonly name: string; readonly token: string }

/** What a record says of who wants what: the part that changes are made to. */
export type Declared = Pick<Record, 'members' | 'rolledBack'>

/**
 * What is declared after `changes`. An instance that was rolled back stays so, but for what is put now: what a preview
 * did not show does not go forward. Once all is again as declared, members that only the older generation had are gone.
 *
 * @param place for messages: the instance and its host
 * @throws ProviderError CONFLICT, NOT_FOUND, STILL_NEEDED
 */
export function declare(before: Declared | undefined, changes: readonly Change[], place: string): Declared {
  const { members = [], rolledBack } = before ?? {}
  if (rolledBack === undefined) return { members: declaredAfter(members, changes, place) }
  const declared = declaredAfter(rolledBack.declared, changes, place)
  if (declared.length === 0) return { members: [] }
  const found = declaredAfter(members, changes, place)
  const names = new Set(declared.map(({ name }) => name))
  const isForward = sameMembers(
    found.filter(({ name }) => names.has(name)),
    declared,
  )
  return isForward ? { members: declared } : { members: found, rolledBack: { ...rolledBack, declared } }
}

/**
 * The members after `changes`, the distribution first. A delete removes only what carries its own token, because a
 * renamed resource is created before the old one is deleted. A put takes over what its own stack declared before (a
 * lost answer, a rename), and never what another stack owns.
 */
function declaredAfter(before: readonly Member[], changes: readonly Change[], place: string): Member[] {
  const members = new Map(before.map((member) => [member.name, member]))
  for (const change of changes) {
    if (change.do === 'delete') {
      if (members.get(change.name)?.token === change.token) members.delete(change.name)
      continue
    }
    const member = change.do === 'put' ? { ...change.member, treeDigest: change.loaded.treeDigest } : change.member
    const there = members.get(member.name)
    if (there && there.token !== member.token && there.stack !== member.stack) {
      throw new ProviderError(
        'CONFLICT',
        `Cannot install ${describe(member.name)} in ${place}: the stack "${there.stack}" declares it; remove it there first, or choose another instance`,
      )
    }
    members.set(member.name, member)
  }
  if (members.size > 0 && !members.has(distributionName)) {
    if (!before.some(({ name }) => name === distributionName)) throw noDistribution(place)
    throw new ProviderError(
      'STILL_NEEDED',
      `Cannot remove Postgres from ${place}: extensions are still declared on it: ${[...members.keys()].join(', ')}; remove them first`,
    )
  }
  return [...members.values()].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}

export function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  return isDeepStrictEqual(a, b)
}

export function noDistribution(place: string): ProviderError {
  return new ProviderError(
    'NOT_FOUND',
    `Cannot install an extension in ${place}: Postgres is no longer there; run pulumi up --refresh, which installs it again`,
  )
}

function describe(name: string): string {
  return name === distributionName ? 'Postgres' : `"${name}"`
}

function rank(member: Member): number {
  return member.name === distributionName ? 0 : 1
}
