import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import {
  compareMeaning,
  compareVersions,
  isMeantBy,
  isPrerelease,
  parseVersion,
  type Version,
} from '../model/version.ts'
import { noSystem } from './os-release.ts'

/** What an extension image says it was built for; what is missing, it does not say. */
export interface Built {
  readonly major?: number | undefined
  /** As in `18.4`: for this version of the major alone. */
  readonly exactly?: string | undefined
  readonly os?: string | undefined
  readonly architecture?: string | undefined
}

/** One image that a repository has of a name. */
export interface Offer {
  readonly version: Version
  /** As a program would write it. */
  readonly reference: string
  readonly built: Built
}

/** What it must fit: the distribution. */
export interface Target {
  readonly major: number
  /** As in `18.4`. */
  readonly postgresVersion: string
  readonly os: string
  /** As in `linux/arm64`. */
  readonly platform: string
}

/** What a program asks for by name. */
export interface Wanted {
  readonly name: string
  /** The whole of it, or how it begins: `2.13` is the highest 2.13.x. @default the highest that fits */
  readonly version?: string | undefined
  /** Whether the highest may be one that comes before a release. @default false */
  readonly prerelease?: boolean | undefined
}

export interface Choice {
  /** Those that fit and are meant, from the best one on. */
  readonly fitting: readonly Offer[]
  /** `3.6.0: for Postgres 18 only`: those above the best one that are meant too, from the highest on. */
  readonly newer: readonly string[]
}

const mostNewer = 5

/**
 * Chooses by name, version and distribution. A version that is there as it was written comes first; else the highest
 * that is meant and fits.
 */
export function choose(offers: readonly Offer[], wanted: Wanted, target: Target): Choice {
  const version = versionOf(wanted)
  const meant = offers
    .filter((offer) => version === undefined || isMeantBy(offer.version, version))
    .sort((a, b) => compareVersions(b.version, a.version) || (a.reference < b.reference ? -1 : 1))
  const may = (offer: Offer) =>
    wanted.prerelease ||
    !isPrerelease(offer.version) ||
    (version !== undefined && compareMeaning(offer.version, version) === 0)
  const good = meant.filter((offer) => may(offer) && fits(offer.built, target))
  const best = good.find((offer) => offer.version.text === wanted.version) ?? good[0]
  const fitting = best === undefined ? [] : [best, ...good.filter((offer) => offer !== best)]
  return { fitting, newer: newerThan(best, { meant, may, target }) }
}

/** @throws ProviderError BAD_INPUT */
function versionOf({ name, version }: Wanted): Version | undefined {
  if (version === undefined) return undefined
  const parsed = parseVersion(version)
  if (parsed) return parsed
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot find ${quote(name)}: ${quote(version)} is no version; write it as in "2.13.0", or leave it out for the highest that fits`,
  )
}

/** `arm64` of `linux/arm64`. */
export function architectureOf({ platform }: Pick<Target, 'platform'>): string {
  return platform.split('/')[1] ?? platform
}

function fits({ major, exactly, os, architecture }: Built, target: Target): boolean {
  return (
    (major ?? target.major) === target.major &&
    (exactly ?? target.postgresVersion) === target.postgresVersion &&
    (os ?? target.os) === target.os &&
    (architecture ?? architectureOf(target)) === architectureOf(target)
  )
}

function newerThan(
  best: Offer | undefined,
  { meant, may, target }: { meant: readonly Offer[]; may: (offer: Offer) => boolean; target: Target },
): string[] {
  const byVersion = new Map<string, Offer[]>()
  for (const offer of meant) {
    if (best !== undefined && compareMeaning(offer.version, best.version) <= 0) break
    const { text } = offer.version
    byVersion.set(text, [...(byVersion.get(text) ?? []), offer])
  }
  const lines = [...byVersion]
    // One that fits is above only where the program has written another one in full.
    .filter(([, offers]) => !offers.some((offer) => may(offer) && fits(offer.built, target)))
    .map(([text, offers]) => `${printable(text)}: ${whyNot(offers, target)}`)
  const more = lines.length - mostNewer
  return more > 0 ? [...lines.slice(0, mostNewer), `and ${more} more`] : lines
}

/** Names the first thing in which none of them fits, and what there is of it. */
function whyNot(offers: readonly Offer[], target: Target): string {
  let left = offers
  const asks: readonly [keyof Built, (value: string) => string, string | number][] = [
    ['major', (value) => `Postgres ${value}`, target.major],
    ['exactly', (value) => `Postgres ${value}`, target.postgresVersion],
    ['os', (value) => value, target.os],
    ['architecture', (value) => value, architectureOf(target)],
  ]
  for (const [key, words, wanted] of asks) {
    const matching = left.filter(({ built }) => (built[key] ?? wanted) === wanted)
    if (matching.length === 0) {
      const values = [...new Set(left.map(({ built }) => built[key]))].sort()
      return `for ${words(values.map(String).join(', '))} only`
    }
    left = matching
  }
  return 'a pre-release'
}

/**
 * @param where for messages: the repository
 * @throws ProviderError NOT_FOUND that says what there is
 */
export function notOffered(
  offers: readonly Offer[],
  wanted: Wanted,
  options: { readonly target: Target; readonly where: string; readonly newer: readonly string[] },
): ProviderError {
  const { target, where, newer } = options
  const what = quote(wanted.version ? `${wanted.name} ${wanted.version}` : wanted.name)
  const whom = [`Postgres ${target.major}`, ...(target.os === noSystem ? [] : [target.os]), target.platform].join(', ')
  const versions = [...new Set(offers.map(({ version }) => version.text))]
  if (versions.length === 0)
    return new ProviderError(
      'NOT_FOUND',
      `Cannot find ${what} in ${where}: it has nothing of that name; check the name, which is the repository's and not always that of CREATE EXTENSION, or set image`,
    )
  const [there, todo] =
    newer.length > 0
      ? [newer.join('; '), 'choose another version, or another distribution']
      : [`it has ${printable(versions.slice(0, 10).join(', '), 300)}`, 'choose one of them']
  return new ProviderError('NOT_FOUND', `Cannot find ${what} for ${whom} in ${where}: ${there}; ${todo}`)
}
