import { randomUUID } from 'node:crypto'
import { probe } from '../host/probe.ts'
import type { StoreTarget } from '../host/store.ts'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { clusterOf } from './installed-image.ts'
import { distributionName, type Facts, type Member, parseRecord, type Record } from './record.ts'
import { distributionOutputs, handlerOf, type Place, type ResourceKind, resourceId, resourceTypes } from './resource.ts'
import { type SendRecordOptions, sendRecord } from './send-record.ts'

/** One resource, as `pulumi import --file` takes it. */
export interface ResourceSpec {
  readonly type: string
  readonly name: string
  readonly id: string
  readonly inputs: { readonly [key: string]: unknown }
  readonly outputs: { readonly [key: string]: unknown }
}

/**
 * What an instance declares, for a state that has lost it or never had it. What another stack declares is handed over
 * only when `move` says so: then the host's record names the new one, and the former one is told at its next refresh.
 *
 * @throws ProviderError NOT_FOUND, CONFLICT
 */
export async function adopt(
  target: StoreTarget,
  options: { readonly stack: string; readonly move: boolean; readonly who: string } & SendRecordOptions,
): Promise<Record> {
  const { stack, move, who } = options
  const signal = options.signal ? { signal: options.signal } : {}
  const place = `${target.root}/instances/${target.instance} on ${target.transport.name}`
  const seen = await probe(target, { verify: 'none', ...signal })
  if (seen.record === undefined)
    throw new ProviderError('NOT_FOUND', `Cannot import ${place}: nothing is installed there`)
  const record = parseRecord(seen.record, target.transport.name)
  const declared = record.rolledBack?.declared ?? record.members
  const other = declared.find((member) => member.stack !== stack)
  if (other === undefined) return record
  if (!move)
    throw new ProviderError(
      'CONFLICT',
      `Cannot import ${place} into ${quote(stack)}: the stack ${quote(other.stack)} declares it; --move hands it over, and that one is told at its next refresh`,
    )
  const tokens = new Map(declared.map(({ name }) => [name, randomUUID()]))
  const handOver = (members: readonly Member[]) =>
    members.map((member) => ({ ...member, stack, token: tokens.get(member.name) ?? member.token }))
  const { rolledBack } = record
  const members = handOver(record.members)
  const moved: Record = {
    ...record,
    members,
    ...(rolledBack ? { rolledBack: { ...rolledBack, declared: handOver(rolledBack.declared) } } : {}),
    when: new Date().toISOString(),
    who,
  }
  const trees = new Map(
    seen.trees.filter(({ generation }) => generation === seen.shown).map(({ role, name }) => [role, name]),
  )
  await sendRecord(target, seen, {
    record: moved,
    root: trees.get('root') ?? '',
    live: trees.get('live') ?? '',
    options,
  })
  return moved
}

/**
 * The resources of an instance as their states would have them: inputs as check leaves them, and outputs.
 *
 * @param connection as the program gives it; whatever stands for secrets in it is kept
 * @throws ProviderError NOT_FOUND for a record without facts
 */
export function resourceSpecs(
  place: Place & { readonly connection: object },
  declared: { readonly stack: string; readonly members: readonly Member[] },
): ResourceSpec[] {
  const { connection, root, instance } = place
  const distribution = declared.members.find(({ name }) => name === distributionName)
  return declared.members.map((member) => {
    const { facts, name, token, treeDigest, image, reference, digest, platform } = member
    if (facts === undefined || distribution?.facts === undefined)
      throw new ProviderError(
        'NOT_FOUND',
        `Cannot import ${quote(instance)}: its record is of an older version, which tells too little; declare it and run pulumi up`,
      )
    const kind: ResourceKind = member === distribution ? 'distribution' : 'extension'
    const cluster = clusterOf(image)
    const shared = {
      ...{ connection, root, instance, image, reference, digest, platform, __stack: declared.stack },
      ...(cluster === undefined ? {} : { installed: { cluster } }),
    }
    const inputs = {
      ...shared,
      ...facts,
      ...(kind === 'extension' ? { ...basisOf(distribution, distribution.facts), name } : {}),
      __provider: handlerOf(kind),
    }
    const own = 'mode' in facts ? distributionOutputs(place, { digest, image, ...facts }) : {}
    return {
      type: resourceTypes[kind],
      name: kind === 'distribution' ? instance : name,
      id: resourceId(place, name),
      inputs,
      outputs: { ...inputs, ...own, treeDigest, __token: token },
    }
  })
}

/** What an extension's inputs say of its distribution. */
function basisOf({ digest, platform }: Member, facts: Facts): object {
  return {
    distributionDigest: digest,
    platform,
    ...('postgresMajor' in facts ? { postgresMajor: facts.postgresMajor } : {}),
  }
}
