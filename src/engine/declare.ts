import { ProviderError } from '../model/error.ts'
import type { LoadedMember } from './member.ts'
import { distributionName, type Member } from './record.ts'

/** One wish of one resource. */
export type Change =
  | { readonly do: 'put'; readonly member: Omit<Member, 'treeDigest'>; readonly loaded: LoadedMember }
  | { readonly do: 'delete'; readonly name: string; readonly token: string }

/**
 * The declared members after `changes`, the distribution first. A delete removes only what carries its own token,
 * because a renamed resource is created before the old one is deleted. A put takes over what its own stack declared
 * before (a lost answer, a rename), and never what another stack owns.
 *
 * @param place for messages: the instance and its host
 * @throws ProviderError CONFLICT, NOT_FOUND
 */
export function declare(before: readonly Member[], changes: readonly Change[], place: string): readonly Member[] {
  const members = new Map(before.map((member) => [member.name, member]))
  for (const change of changes) {
    const name = change.do === 'put' ? change.member.name : change.name
    const there = members.get(name)
    if (change.do === 'delete') {
      if (there?.token === change.token) members.delete(name)
      continue
    }
    if (there && there.token !== change.member.token && there.stack !== change.member.stack) {
      throw new ProviderError(
        'CONFLICT',
        `Cannot install ${describe(name)} in ${place}: the stack "${there.stack}" declares it; remove it there first, or choose another instance`,
      )
    }
    members.set(name, { ...change.member, treeDigest: change.loaded.treeDigest })
  }
  if (members.size > 0 && !members.has(distributionName)) {
    if (!before.some(({ name }) => name === distributionName)) throw noDistribution(place)
    throw new ProviderError(
      'CONFLICT',
      `Cannot remove Postgres from ${place}: extensions are still declared on it: ${[...members.keys()].join(', ')}; remove them first`,
    )
  }
  return [...members.values()].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}

export function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  const text = (members: readonly Member[]) => JSON.stringify(members.map((member) => Object.entries(member).sort()))
  return text(a) === text(b)
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
