import { ProviderError } from '../model/error.ts'
import { platformOfMachine } from '../model/platform.ts'
import { quote } from '../model/quote.ts'
import { parseReference, type Reference } from '../model/reference.ts'
import { parseVersion } from '../model/version.ts'
import { architectureOf, type Built, type Offer, type Target } from './offer.ts'
import { noSystem } from './os-release.ts'

const shapes = {
  name: '',
  version: '[A-Za-z0-9][A-Za-z0-9._+~-]*?',
  major: '[1-9][0-9]?',
  minor: '[0-9]{1,3}',
  os: '[a-z][a-z0-9.]*',
  arch: '[a-z0-9_]+',
} as const

type Placeholder = keyof typeof shapes

/** How a repository names its images: `registry.example.com/ext/{name}:{version}-pg{major}-{os}`. */
export interface Template {
  readonly text: string
  /** Where the images of a name are, without a tag: what is listed. */
  placeOf(name: string, target: Target): Reference
  /** What the tags there say; those of another shape or name say nothing. */
  offersIn(tags: readonly string[], name: string, target: Target): Offer[]
  /** The reference that a version has; nothing where that cannot be known. */
  referenceTo(version: string, name: string, target: Target): string
  /** Whether another minor version of Postgres has other images. */
  readonly isByMinor: boolean
}

/** @throws ProviderError BAD_INPUT */
export function parseTemplate(text: string): Template {
  const refuse = (why: string) =>
    new ProviderError(
      'BAD_INPUT',
      `Cannot use ${quote(text)} as a repository: ${why}; write it as in "registry.example.com/ext/{name}:{version}-pg{major}-{os}"`,
    )
  const used = [...text.matchAll(/\{([^{}]*)\}/g)].map(([, name = '']) => name)
  const unknown = used.find((name) => !Object.hasOwn(shapes, name))
  if (unknown !== undefined)
    throw refuse(
      `it does not know ${quote(`{${unknown}}`)}, but ${Object.keys(shapes)
        .map((one) => `{${one}}`)
        .join(', ')}`,
    )
  if (!used.includes('name')) throw refuse('it has no {name}')
  const colon = text.lastIndexOf(':')
  const [place, tag] = [text.slice(0, colon), text.slice(colon + 1)]
  if (colon < 0 || !tag.includes('{version}') || place.includes('{version}') || /[/@]/.test(tag))
    throw refuse('it has no tag with {version}')

  const fill = (part: string, name: string, target: Target, version = '') => {
    const { major, os } = target
    if (used.includes('os') && os === noSystem)
      throw new ProviderError(
        'BAD_INPUT',
        `Cannot look for ${quote(name)} in ${quote(text)}: the distribution's image tells no operating system for {os}; take a repository whose images say none`,
      )
    const minor = target.postgresVersion.split('.')[1] ?? '0'
    const values: Record<Placeholder, string> = {
      name,
      version,
      major: String(major),
      minor,
      os,
      arch: architectureOf(target),
    }
    return part.replace(/\{(\w+)\}/g, (_all, key: Placeholder) => values[key])
  }

  return {
    text,
    isByMinor: used.includes('minor'),
    placeOf: (name, target) => parseReference(fill(place, name, target)),
    referenceTo: (version, name, target) => `${fill(place, name, target)}:${fill(tag, name, target, version)}`,
    offersIn: (tags, name, target) => {
      const pattern = patternOf(tag, name)
      const [start = ''] = tag.replaceAll('{name}', name).split('{')
      const at = fill(place, name, target)
      return beginningWith(start, tags).flatMap((found) => {
        const said: Said | undefined = found.length > longestTag ? undefined : pattern.exec(found)?.groups
        const version = said && parseVersion(said.version ?? '')
        if (said === undefined || version === undefined) return []
        return [{ version, reference: `${at}:${found}`, built: builtFor(said, target) }]
      })
    },
  }
}

/** By the list that was sorted. */
const sortedTags = new WeakMap<readonly string[], readonly string[]>()

/** In a repository that many names share, nearly all tags are others': each name finds its own without reading all. */
function beginningWith(start: string, tags: readonly string[]): readonly string[] {
  const sorted = sortedTags.get(tags) ?? tags.toSorted()
  sortedTags.set(tags, sorted)
  let [first, end] = [0, sorted.length]
  while (first < end) {
    const middle = (first + end) >> 1
    if ((sorted[middle] ?? '') < start) first = middle + 1
    else end = middle
  }
  while (sorted[end]?.startsWith(start)) end += 1
  return sorted.slice(first, end)
}

type Said = { readonly [key in Placeholder]?: string }

function builtFor({ major, minor, os, arch }: Said, target: Target): Built {
  return {
    major: major === undefined ? undefined : Number(major),
    exactly: minor === undefined ? undefined : `${major ?? target.major}.${minor}`,
    os,
    architecture: arch === undefined ? undefined : (platformOfMachine(arch)?.architecture ?? arch),
  }
}

/** A layout's tags may be whole references; a registry's are shorter. */
const longestTag = 384

function patternOf(template: string, name: string): RegExp {
  const seen = new Set<string>()
  const source = template.replace(/\{(\w+)\}|[^{}]+/g, (literal, key?: Placeholder) => {
    if (key === undefined) return literally(literal)
    if (key === 'name') return literally(name)
    if (seen.has(key)) return `\\k<${key}>`
    seen.add(key)
    return `(?<${key}>${shapes[key]})`
  })
  return new RegExp(`^${source}$`)
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\-]/g, '\\$&')
}
