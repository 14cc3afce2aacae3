/**
 * A version of an extension, as authors of extensions write them: `3.5.0`, `2.13`, `1.0beta2`, `1.5-dev`, `v0.8.3`,
 * `0.8.6-202608201414`. They follow no one rule, and Postgres itself only compares them for equality.
 */
export interface Version {
  readonly text: string
  /** The numbers before anything else; trailing zeros do not count: `2.13` is `2.13.0`. */
  readonly release: readonly string[]
  /** Numbers and words behind them. */
  readonly suffix: readonly string[]
}

const pattern = /^[A-Za-z0-9][A-Za-z0-9.+_~-]{0,99}$/

/** Before a release, in their order; a single `a` or `b` only when a number follows it, for `1.2b` came after `1.2`. */
const early = ['~', 'dev', 'devel', 'snapshot', 'nightly', 'alpha', 'a', 'beta', 'b', 'pre', 'preview', 'rc']

/** Nothing, for a text that is no version at all. */
export function parseVersion(text: string): Version | undefined {
  if (!pattern.test(text)) return undefined
  // `v0.8.3` and `REL4_6_0` name the release 0.8.3 and 4.6.0.
  const [, numbers = '', rest = ''] = /^(?:v|rel_?|release-)?(\d+(?:[._]\d+)*)(.*)$/i.exec(text) ?? []
  if (numbers === '') return undefined
  const release = numbers.split(/[._]/).map(withoutZeros)
  while (release.at(-1) === '0') release.pop()
  const suffix = (rest.toLowerCase().match(/\d+|[a-z]+|~/g) ?? []).map(withoutZeros)
  return { text, release, suffix }
}

function withoutZeros(token: string): string {
  return token.replace(/^0+(?=\d)/, '')
}

/** Whether it comes before the release that it names. */
export function isPrerelease({ suffix }: Version): boolean {
  return suffix.some((_token, index) => rankOf(suffix, index) === rank.early)
}

/**
 * Orders versions from the lowest to the highest: release numbers first, then `1.0~x`, `1.0-dev`, `1.0alpha`,
 * `1.0beta2`, `1.0rc1`, `1.0`, `1.0-patched`, `1.0-2`. Zero only for the same text: where two texts mean the same
 * version, their spelling decides, so that the order is total.
 */
export function compareVersions(a: Version, b: Version): number {
  return compareMeaning(a, b) || compareTexts(a.text, b.text)
}

/** The same, but zero for `2.13` and `v2.13.0`. */
export function compareMeaning(a: Version, b: Version): number {
  for (let index = 0; index < Math.max(a.release.length, b.release.length); index += 1) {
    const difference = compareNumbers(a.release[index] ?? '0', b.release[index] ?? '0')
    if (difference !== 0) return difference
  }
  for (let index = 0; index < Math.max(a.suffix.length, b.suffix.length); index += 1) {
    const ranks = rankOf(a.suffix, index) - rankOf(b.suffix, index)
    if (ranks !== 0) return ranks
    const [one = '', other = ''] = [a.suffix[index], b.suffix[index]]
    const difference = compareTokens(one, other, rankOf(a.suffix, index))
    if (difference !== 0) return difference
  }
  return 0
}

/** Whether `version` is what somebody means who writes `wanted`: the same one, or one that begins so (`2.13` of `2.13.1`). */
export function isMeantBy(version: Version, wanted: Version): boolean {
  if (compareMeaning(version, wanted) === 0) return true
  const numbers = numbersOf(wanted)
  if (wanted.suffix.length > 0) {
    return (
      numbers.join('.') === numbersOf(version).join('.') &&
      wanted.suffix.every((token, index) => token === version.suffix[index])
    )
  }
  return numbers.every((number, index) => number === (version.release[index] ?? '0'))
}

/** With its trailing zeros: who writes `3.0` does not mean 3.1. */
function numbersOf({ text }: Version): string[] {
  const [, numbers = ''] = /^(?:v|rel_?|release-)?(\d+(?:[._]\d+)*)/i.exec(text) ?? []
  return numbers.split(/[._]/).map(withoutZeros)
}

const rank = { early: 0, end: 1, word: 2, number: 3 } as const

function rankOf(suffix: readonly string[], index: number): number {
  const token = suffix[index]
  if (token === undefined) return rank.end
  if (/^\d/.test(token)) return rank.number
  const isEarly = early.includes(token) && (token.length > 1 || token === '~' || /^\d/.test(suffix[index + 1] ?? ''))
  return isEarly ? rank.early : rank.word
}

function compareTokens(a: string, b: string, ranked: number): number {
  if (ranked === rank.number) return compareNumbers(a, b)
  if (ranked === rank.early) return early.indexOf(a) - early.indexOf(b)
  return compareTexts(a, b)
}

/** Of any length: dates with a time are versions too. */
function compareNumbers(a: string, b: string): number {
  return a.length - b.length || compareTexts(a, b)
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
