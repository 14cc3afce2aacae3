import { type Digest, isDigest } from './digest.ts'
import { ProviderError } from './error.ts'
import { quote } from './quote.ts'

/** Where an image is: what the user wrote, taken apart. `tag` is only a label once there is a `digest`. */
export type Reference = RegistryReference | LayoutReference

export interface RegistryReference {
  readonly transport: 'registry'
  /** `host[:port]`, as written; Docker Hub is `docker.io`. */
  readonly registry: string
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
}

interface LayoutReference {
  readonly transport: 'oci'
  /** Folder of an OCI image layout, as written: relative paths start at the program's folder. */
  readonly path: string
  readonly tag?: string
  readonly digest?: Digest
}

// distribution-spec 1.1, "Pulling manifests"; the host's grammar is that of the reference implementation.
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`)
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/
// A layout's references are free text in its index.json; what is left out could not be written in a reference.
const layoutTagPattern = /^[A-Za-z0-9][A-Za-z0-9._/+-]{0,254}$/

/**
 * Parses `registry/repository[:tag][@digest]` or `oci:DIR[:tag][@digest]`.
 *
 * @throws ProviderError BAD_REFERENCE
 */
export function parseReference(text: string): Reference {
  const at = text.indexOf('@')
  const name = at < 0 ? text : text.slice(0, at)
  const digest = at < 0 ? undefined : text.slice(at + 1)
  if (digest !== undefined && !isDigest(digest)) {
    throw bad(text, `${quote(digest)} is no digest; expected "sha256:" and 64 lower-case hex digits`)
  }
  const reference = name.startsWith('oci:') ? parseLayout(text, name.slice('oci:'.length)) : parseRegistry(text, name)
  return digest === undefined ? reference : { ...reference, digest }
}

function parseLayout(text: string, rest: string): LayoutReference {
  const colon = rest.lastIndexOf(':')
  const path = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  if (path === '' || path.includes('\0')) throw bad(text, 'expected oci:DIR or oci:DIR:TAG')
  // Pinned, it would be read as another folder with a tag.
  if (path.includes(':')) throw bad(text, `the folder ${quote(path)} has a colon in its name; give it another name`)
  if (tag === undefined) return { transport: 'oci', path }
  if (!layoutTagPattern.test(tag)) throw bad(text, `${quote(tag)} is no tag`)
  return { transport: 'oci', path, tag }
}

function parseRegistry(text: string, name: string): RegistryReference {
  if (/^[a-z-]+:\/\//.test(name)) throw bad(text, 'write it without a scheme, as registry/repository:tag')
  if (/^(?:oci-archive|docker-archive|docker):/.test(name)) {
    throw bad(text, 'this transport is not supported; use registry/repository:tag or oci:DIR:tag')
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

function bad(text: string, reason: string): ProviderError {
  return new ProviderError('BAD_REFERENCE', `Cannot use ${quote(text)} as an image: ${reason}`)
}

/** The name without tag and digest. */
function formatName(reference: Reference): string {
  return reference.transport === 'oci' ? `oci:${reference.path}` : `${reference.registry}/${reference.repository}`
}

/** `name@sha256:…`: the form that can never mean anything else. */
export function formatPinned(reference: Reference, digest: Digest): string {
  return `${formatName(reference)}@${digest}`
}
