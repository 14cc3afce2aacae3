import { loadExtension } from '../engine/extension.ts'
import { wereTogether } from '../engine/kept.ts'
import { distributionName, type Member, overridesOf, partOf, type Record } from '../engine/record.ts'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { refusalText } from '../postgres/finding.ts'
import { prove } from '../postgres/prove.ts'
import { knownOf } from './commit.ts'
import { instanceOf, keyOfPair } from './married.ts'
import { readDistribution } from './packaged.ts'
import { imageRequest, keyOf, type Place } from './session.ts'

/**
 * The last proof, before a commit writes anything: of extensions that other stacks have in this instance, which no check
 * of this run sees. Its own are proven by their checks, which in an `up` come after the distribution's commit: only they
 * know which image will be there. What was proven before is not proven again.
 *
 * @param records of the generations that the host keeps
 * @throws ProviderError NOT_MARRIED
 */
export async function proveInstalled(
  place: Place,
  members: readonly Member[],
  records: ReadonlyMap<number, Record>,
): Promise<void> {
  const known = instanceOf(keyOf(place))
  const distribution = members.find(({ name }) => name === distributionName)
  if (distribution === undefined) return
  const unproven = members.filter((member) => {
    const { name, digest, platform, major, stack } = member
    // Those for another major wait until their own update comes; a running server does not see them.
    const isWaiting = major !== undefined && major !== distribution.major
    if (name === distributionName || isWaiting || stack === place.__stack) return false
    const pair = {
      distribution: distribution.digest,
      extension: digest,
      platform,
      part: partOf(member),
      overrides: overridesOf(member),
    }
    return !known.proven.has(keyOfPair(pair)) && !wereTogether(records, pair)
  })
  if (unproven.length === 0) return
  const { image: facts } = await readDistribution(place, knownOf(distribution))
  for (const { name, image, platform, stack, facts: told } of unproven) {
    const read = await loadExtension(imageRequest(image, platform, partOf({ facts: told })), facts.server?.layers)
    const extension = { name, facts: read.image, labels: read.member.labels }
    const overrides = overridesOf({ facts: told })
    const [error] = prove({ distribution: { name: distributionName, facts }, extension, overrides })
    if (error?.severity === 'error')
      throw new ProviderError(
        'NOT_MARRIED',
        `Cannot update Postgres in ${place.instance} to ${distribution.image}: the extension ${quote(name)} (${image}) that the stack ${quote(stack)} has there does not fit: ${refusalText(error)}; update or remove it there first`,
      )
  }
}
