import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { parseReference, type RegistryReference } from '../model/reference.ts'
import { type Pull, type RegistryTable, restAfter, tableFor } from './registries-conf.ts'

/** A registry's repository that is asked for an image. */
export interface Place {
  readonly reference: RegistryReference
  /** What registries.conf says of it; the stack's settings come first. */
  readonly insecure: boolean
}

interface Mirror extends Place {
  readonly pull: Pull
}

/** Where an image is, and where its bytes may be had as well. */
export interface Places {
  readonly origin: Place
  readonly mirrors: readonly Mirror[]
}

/** Where mirrors are known from. */
export interface KnownMirrors {
  /** `mirrors` of the stack's settings, which take the place of those of registries.conf. */
  readonly configured?: readonly string[] | undefined
  readonly tables: readonly RegistryTable[]
}

/**
 * Where to ask for an image. A mirror's answer to a digest is proven by the digest, so it needs no trust. Its answer
 * to a tag is proven by nothing: the stack's mirrors, which are written for us, are never asked for one. Those of
 * registries.conf are, unless the file says `digest-only`, for that is what its manual promises to who wrote it, and
 * what Podman on the same machine does; behind an air gap nobody else could answer. `tag-only` ones are asked for
 * nothing but tags, and the digest they name is then fetched elsewhere.
 *
 * @throws ProviderError BAD_INPUT for a place that is blocked, or one that no image's name can lead to
 */
export function placesOf(reference: RegistryReference, known: KnownMirrors): Places {
  const { registry, repository, tag, digest } = reference
  const name = `${registry}/${repository}`
  const full = `${name}${digest === undefined ? (tag === undefined ? '' : `:${tag}`) : `@${digest}`}`
  const table = tableFor(known.tables, full)
  if (table?.blocked)
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot read ${name}: ${quote(table.file, 4096)} blocks ${quote(table.prefix)}; use another registry, or change that file`,
    )
  const configured = known.configured?.map((location) => {
    const place = at(`${location}/${repository}`, `the mirror ${quote(location)} in postgres-oci:registries`)
    return { reference: place, insecure: false, pull: 'digest-only' as const }
  })
  if (table === undefined) return { origin: { reference, insecure: false }, mirrors: configured ?? [] }
  const { file, prefix, location, insecure } = table
  const rest = restAfter(prefix, full) ?? ''
  const move = (to: string) => at(`${to}${rest}`, `the location ${quote(to)} in ${quote(file, 4096)}`)
  const mirrors = configured ?? table.mirrors.map((one) => ({ ...one, reference: move(one.location) }))
  const isMoved = location !== undefined && location !== prefix
  return { origin: { reference: isMoved ? move(location) : reference, insecure }, mirrors }
}

/** @param what for messages */
function at(text: string, what: string): RegistryReference {
  const host = text.slice(0, text.indexOf('/'))
  const place = readReference(text)
  // Docker's rule would take what is no host for a repository of Docker Hub.
  if (place?.transport === 'registry' && place.registry === host) return place
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot use ${what}: ${quote(text)} is no image of a registry; expected host[:port][/path]`,
  )
}

function readReference(text: string) {
  try {
    return parseReference(text)
  } catch {
    return undefined
  }
}
