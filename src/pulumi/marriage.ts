import { loadDistribution } from '../engine/distribution.ts'
import { loadExtension } from '../engine/extension.ts'
import type { ImageRequest } from '../engine/image.ts'
import { clusterOf } from '../engine/installed-image.ts'
import { type Pair, recordsOf, wereTogether } from '../engine/kept.ts'
import { refuseConflicts } from '../engine/merge.ts'
import { toPart } from '../engine/part.ts'
import { distributionName } from '../engine/record.ts'
import { ProviderError } from '../model/error.ts'
import { absentSource } from '../oci/absent.ts'
import type { ImageFacts } from '../postgres/facts.ts'
import { type Finding, findingText, refusalText } from '../postgres/finding.ts'
import { type Party, prove } from '../postgres/prove.ts'
import { type Found, look } from './find.ts'
import type { ExtensionInputs } from './inputs.ts'
import { signal } from './interrupt.ts'
import type { Inputs, Pinned, Values } from './kind.ts'
import { factsIn, instanceOf, keyOfPair, type Read, type Standing } from './married.ts'
import { readDistribution } from './packaged.ts'
import { hostName, imageRequest, keyOf } from './session.ts'

type Extension = ExtensionInputs & Pinned

const maxReasons = 10

export function rememberDistribution(inputs: Inputs & Pinned, standing: Standing, facts?: ImageFacts): void {
  const { image, digest, platform, root } = inputs
  // On a host it is read at once; an image that this machine has not got is not worth the wait.
  const read =
    clusterOf(image) === undefined
      ? () => loadDistribution(cached(image, platform), root)
      : () => readDistribution(inputs, inputs)
  instanceOf(keyOf(inputs)).distribution = { image, digest, facts, standing, read: () => read().catch(unread) }
}

/**
 * Proves an extension against its distribution, and against what this run knows beside it.
 *
 * @returns what speaks against it without forbidding it, a line each
 * @throws ProviderError NOT_MARRIED with a line for each error; CONFLICT
 */
export async function proveExtension(inputs: Extension, found: Found, olds: Values): Promise<string[]> {
  const known = instanceOf(keyOf(inputs))
  if (inputs.distributionDigest === undefined) return proveMajor(inputs, found)
  const facts = factsOf(inputs)
  const isKept = found.image === undefined || facts === undefined
  // The host's record may be older than what was taken on for another distribution.
  const isStricter = [olds['overrides'] ?? []].flat().some((id) => !inputs.overrides?.includes(id as string))
  const isProven = isKept && !isStricter && (await hasBeenProven(inputs))
  const lines: string[] = []
  if (!isProven) {
    const read =
      found.loaded && found.image ? { member: found.loaded, image: found.image } : await readExtension(inputs)
    const distribution = facts ?? (await distributionFacts(inputs))
    const findings = await proveWith(inputs, { read, distribution, former: formerOf(olds, inputs) })
    lines.push(...findings.map(findingText))
  }
  known.proven.add(keyOfPair(pairOf(inputs)))
  known.extensions.set(inputs.name, { ...sibling(inputs), isNew: true })
  return lines
}

/** What an earlier run has proven; only against what is new in this one it is proven again, if it can be had at once. */
export async function rememberExtension(inputs: Extension): Promise<void> {
  const known = instanceOf(keyOf(inputs))
  const own = sibling(inputs)
  const distribution = factsOf(inputs)
  const hasNews = [...known.extensions].some(([name, { isNew }]) => isNew && name !== inputs.name)
  const read = hasNews && distribution ? await own.read() : undefined
  if (read && distribution) await proveWith(inputs, { read, distribution, former: {} })
  known.proven.add(keyOfPair(pairOf(inputs)))
  known.extensions.set(inputs.name, { ...own, isNew: false })
}

async function proveWith(
  inputs: Extension,
  { read, distribution, former }: { read: Read; distribution: ImageFacts; former: { [name: string]: string } },
): Promise<Finding[]> {
  const others = await othersOf(inputs)
  const findings = prove({
    distribution: { name: distributionName, facts: distribution },
    extension: partyOf(inputs.name, read, former),
    others: others.map(([name, other]) => partyOf(name, other)),
    overrides: inputs.overrides,
  })
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) {
    const version = distribution.server?.version ?? inputs.postgresMajor
    const reasons = errors
      .slice(0, maxReasons)
      .map((error) => `Cannot add ${inputs.image} to Postgres ${version}: ${refusalText(error)}`)
    throw new ProviderError('NOT_MARRIED', reasons.join('\n'))
  }
  await refuseConflictsWith(inputs, read, others)
  return findings
}

/** What the check of the distribution has read, or what its state says. */
export function factsOf(
  inputs: Pick<Extension, 'connection' | 'root' | 'instance' | 'distributionDigest' | '__facts'>,
): ImageFacts | undefined {
  const { distribution } = instanceOf(keyOf(inputs))
  const isSame = distribution?.digest === inputs.distributionDigest
  return (isSame ? distribution?.facts : undefined) ?? factsIn(inputs.__facts)
}

/** Of a distribution that nobody describes, a program may say the major. */
function proveMajor({ image, postgresMajor }: Extension, { member: { major } }: Found): string[] {
  if (major === undefined || postgresMajor === undefined || major === postgresMajor) return []
  throw new ProviderError(
    'NOT_MARRIED',
    `Cannot add ${image} to Postgres ${postgresMajor}: its modules are built for Postgres ${major}; choose an image built for ${postgresMajor}`,
  )
}

/** Where two images bring the same path with other content, the next commit would refuse them; here a preview does. */
async function refuseConflictsWith(
  inputs: Extension,
  { member }: Read,
  others: readonly (readonly [string, Read])[],
): Promise<void> {
  const distribution = (await instanceOf(keyOf(inputs)).distribution?.read())?.member
  refuseConflicts([
    ...(distribution ? [{ name: distributionName, ...distribution }] : []),
    ...others.map(([name, other]) => ({ name, ...other.member })),
    { name: inputs.name, ...member },
  ])
}

function partyOf(name: string, { image, member }: Read, former?: { [name: string]: string }): Party {
  return { name, facts: image, labels: member.labels, former }
}

/** Those that this machine can read at once; a commit proves the rest. */
async function othersOf(inputs: Extension): Promise<[string, Read][]> {
  const found: [string, Read][] = []
  for (const [name, one] of instanceOf(keyOf(inputs)).extensions) {
    const read = name === inputs.name ? undefined : await one.read()
    if (read) found.push([name, read])
  }
  return found
}

function sibling({ image, platform, ...inputs }: Extension) {
  const part = toPart(inputs)
  return { read: () => loadExtension({ ...cached(image, platform), part }).catch(unread) }
}

const unread = () => undefined

/** An image that is read from this machine's cache, or not at all. */
function cached(image: string, platform: string): ImageRequest {
  const request = imageRequest(image, platform)
  return { ...request, source: absentSource(request.source) }
}

function readExtension({ image, platform, ...inputs }: Extension): Promise<Read> {
  return loadExtension(imageRequest(image, platform, toPart(inputs)))
}

/** When no state tells them, as after an import, the image does. */
async function distributionFacts(inputs: Extension): Promise<ImageFacts> {
  const { distribution } = instanceOf(keyOf(inputs))
  if (distribution) return (await readDistribution(inputs, { ...inputs, image: distribution.image })).image
  throw new ProviderError(
    'NOT_MARRIED',
    `Cannot prove that ${inputs.image} belongs to its Postgres, of which nothing is known here; run pulumi up without --target`,
  )
}

/** By an earlier run, whose result the host keeps. */
async function hasBeenProven(inputs: Extension): Promise<boolean> {
  const seen = await look(inputs)
  signal.throwIfAborted()
  if (seen === undefined || inputs.distributionDigest === undefined) return false
  return wereTogether(recordsOf(seen, hostName(inputs)), pairOf(inputs))
}

function pairOf({ distributionDigest, digest, platform, ...inputs }: Extension): Pair {
  const { overrides = [] } = inputs
  return { distribution: distributionDigest, extension: digest, platform, part: toPart(inputs), overrides }
}

/** What databases may have, because the former image made it. */
function formerOf(olds: Values, { digest }: Extension): { [name: string]: string } {
  if (olds['digest'] === digest || typeof olds['provides'] !== 'object') return {}
  const provides = Object.entries((olds['provides'] ?? {}) as { [name: string]: { version?: unknown } })
  return Object.fromEntries(provides.map(([name, one]) => [name, String(one?.version ?? '')]))
}
