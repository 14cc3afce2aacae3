import { type Digest, isDigest } from './digest.ts'
import { ProviderError } from './error.ts'
import { quote } from './quote.ts'

/** Where an image is: what the user wrote, taken apart. `tag` is only a label once there is a `digest`. */
export type Reference = RegistryReference | LayoutReference

type LayoutTransport = 'oci' | 'oci-archive' | 'docker-archive'

export interface RegistryReference {
  readonly transport: 'registry'
  /** `host[:port]`, as written; Docker Hub is `docker.io`. */
  readonly registry: string
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
}

export interface LayoutReference {
  readonly transport: LayoutTransport
  /** Folder of an OCI image layout, or file of an archive, as written: relative paths start at the program's folder. */
  readonly path: string
  /** One of the names in there; it may be a whole reference, as in `ghcr.io/acme/pgvector:0.8.1`. */
  readonly tag?: string
  readonly digest?: Digest
}

// distribution-spec 1.1, "Pulling manifests"; the host's grammar is that of the reference implementation.
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`)
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/
// A layout's references are free text in its index.json; what is left out could not be written in a reference.
const layoutTagPattern = /^[A-Za-z0-9_][A-Za-z0-9._/:+-]{0,382}$/
const layoutPattern = /^(oci|oci-archive|docker-archive):(.*)$/s

/**
 * Parses `registry/repository[:tag][@digest]`, `oci:DIR[:tag][@digest]`, or `FILE` after `oci-archive:` or
 * `docker-archive:`.
 *
 * @throws ProviderError BAD_REFERENCE
 */
export function parseReference(text: string): Reference {
  const [, transport, rest = ''] = layoutPattern.exec(text) ?? []
  if (transport) return parseLayout(text, transport as LayoutTransport, rest)
  const at = text.indexOf('@')
  if (at < 0) return parseRegistry(text, text)
  const digest = text.slice(at + 1)
  if (isDigest(digest)) return { ...parseRegistry(text, text.slice(0, at)), digest }
  throw noDigest(text, digest)
}

function parseLayout(text: string, transport: LayoutTransport, rest: string): LayoutReference {
  // Paths may have an @; only one that a digest follows is ours.
  const [, name = '', last = ''] = /^(.*)@([^@]*)$/s.exec(rest) ?? []
  const place = parsePlace(text, transport, isDigest(last) ? name : rest)
  return isDigest(last) ? { ...place, digest: last } : place
}

function parsePlace(text: string, transport: LayoutTransport, rest: string): LayoutReference {
  const [, wrong] = /@(sha\d+:.*)$/s.exec(rest) ?? []
  if (wrong !== undefined) throw noDigest(text, wrong)
  // As skopeo does, the path ends at the first colon: tags may have some.
  const colon = rest.indexOf(':')
  const path = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  const where = transport === 'oci' ? 'oci:DIR' : `${transport}:FILE`
  if (path === '' || path.includes('\0')) throw bad(text, `expected ${where} or ${where}:TAG`)
  if (tag === undefined) return { transport, path }
  if (!layoutTagPattern.test(tag)) throw bad(text, `${quote(tag)} is no tag; the path ends at the first colon`)
  return { transport, path, tag }
}

function parseRegistry(text: string, name: string): RegistryReference {
  if (/^[a-z-]+:\/\//.test(name)) throw bad(text, 'write it without a scheme, as registry/repository:tag')
  if (/^(?:docker|docker-daemon|containers-storage):/.test(name)) {
    throw bad(
      text,
      'this transport is not supported; use registry/repository:tag, oci:DIR:tag, oci-archive:FILE:tag or docker-archive:FILE:tag',
    )
  }
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  // Docker's rule: the first part is a host only if it looks like one.
  const hasHost = first.includes('.') || first.includes(':') || first === 'localhost'
  const registry = hasHost ? first : 'docker.io'
  const path = hasHost ? name.slice(slash + 1) : name
  const colon = path.lastIndexOf(':')
  const tag = colon < 0 ? undefined : path.slice(colon + 1)
  const short = colon < 0 ? path : path.slice(0, colon)
  const repository = registry === 'docker.io' && !short.includes('/') ? `library/${short}` : short
  if (!hostPattern.test(registry)) throw bad(text, `${quote(registry)} is no host[:port]`)
  if (!repositoryPattern.test(repository) || registry.length + repository.length > 254) {
    throw bad(text, `${quote(short)} is no repository name; names are lower-case, as in registry/team/name:tag`)
  }
  if (tag === undefined) return { transport: 'registry', registry, repository }
  if (!tagPattern.test(tag)) throw bad(text, `${quote(tag)} is no tag`)
  return { transport: 'registry', registry, repository, tag }
}

function noDigest(text: string, digest: string): ProviderError {
  return bad(text, `${quote(digest)} is no digest; expected "sha256:" and 64 lower-case hex digits`)
}

function bad(text: string, reason: string): ProviderError {
  return new ProviderError('BAD_REFERENCE', `Cannot use ${quote(text)} as an image: ${reason}`)
}

/** The name without tag and digest. */
export function formatName(reference: Reference): string {
  if (reference.transport === 'registry') return `${reference.registry}/${reference.repository}`
  return `${reference.transport}:${reference.path}`
}

/** `name@sha256:…`: the form that can never mean anything else. */
export function formatPinned(reference: Reference, digest: Digest): string {
  return `${formatName(reference)}@${digest}`
}
