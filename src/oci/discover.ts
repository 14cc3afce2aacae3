import { type Digest, digestOf } from '../model/digest.ts'
import { readBody } from './body.ts'
import type { Answer } from './client.ts'
import { nextPage } from './next-page.ts'
import { cosignTags, listTag, manifestsIn, maxReferrers, referrerOf } from './referrers.ts'
import type { Repository } from './repository.ts'
import { acceptedManifests, isIndexType, isManifestType, typeOf } from './schema.ts'
import { maxDocument, type Referrer } from './source.ts'

const maxPages = 20
const headers = { accept: acceptedManifests }

interface Discovering {
  readonly signal: AbortSignal | undefined
}

/**
 * What a registry lists as being about a manifest: by its API, else by the tag that clients keep in its place
 * (distribution-spec, "Listing Referrers"), and by cosign's tags.
 */
export async function discoverReferrers(
  repository: Repository,
  digest: Digest,
  options: Discovering,
): Promise<readonly Referrer[]> {
  const listed = (await byApi(repository, digest, options)) ?? (await byTag(repository, listTag(digest), options))
  const tagged = await Promise.all(cosignTags(digest).map((tag) => taggedAs(repository, tag, options)))
  const found = new Map([...listed, ...tagged.flat()].map((one): [Digest, Referrer] => [one.digest, one]))
  return [...found.values()].slice(0, maxReferrers)
}

/** Nothing, when the registry has no such API: some say so by other answers than 404 (ggcr, remote/referrers.go). */
async function byApi(repository: Repository, digest: Digest, { signal }: Discovering): Promise<Referrer[] | undefined> {
  const found: Referrer[] = []
  let next: string | URL | undefined = `referrers/${digest}`
  for (let page = 0; next !== undefined && page < maxPages && found.length < maxReferrers; page += 1) {
    const answer: Answer = await repository.expect(next, { headers, signal, statuses: [200, 400, 404, 405, 406] })
    if (answer.statusCode !== 200 || !isIndexType(typeOf(answer.headers['content-type']) ?? '')) {
      await answer.body.dump()
      return page === 0 ? undefined : found
    }
    found.push(...manifestsIn(await readBody(answer, maxDocument, repository.name)).map(referrerOf))
    next = nextPage(answer, repository.origin)
  }
  return found
}

async function byTag(repository: Repository, tag: string, { signal }: Discovering): Promise<Referrer[]> {
  const found = await manifestAt(repository, tag, signal)
  return found ? manifestsIn(found.bytes).map(referrerOf) : []
}

async function taggedAs(repository: Repository, tag: string, { signal }: Discovering): Promise<Referrer[]> {
  const found = await manifestAt(repository, tag, signal)
  return found ? [{ mediaType: found.mediaType, digest: digestOf(found.bytes), size: found.bytes.length }] : []
}

async function manifestAt(repository: Repository, tag: string, signal: AbortSignal | undefined) {
  const answer = await repository.expect(`manifests/${tag}`, { headers, signal, statuses: [200, 404] })
  const mediaType = typeOf(answer.headers['content-type']) ?? ''
  if (answer.statusCode === 200 && (isIndexType(mediaType) || isManifestType(mediaType)))
    return { mediaType, bytes: await readBody(answer, maxDocument, repository.name) }
  await answer.body.dump()
  return undefined
}
