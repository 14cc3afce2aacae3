import { randomUUID } from 'node:crypto'
import { digestOf, isDigest } from '../../../src/model/digest.ts'
import { bodyOf, type Exchange, refuse } from './exchange.ts'
import { keep, namedBy, type Repositories, repositoryOf } from './store.ts'

/** Uploads under way: what came so far. */
export type Uploads = Map<string, Buffer>

interface Shelf {
  readonly repositories: Repositories
  readonly uploads: Uploads
}

/** distribution-spec 1.1, "Pushing blobs": in one request, in two, in pieces, or mounted from another repository. */
export async function takeBlob(exchange: Exchange, { repositories, uploads }: Shelf): Promise<void> {
  const { request, answer, url, repository, item } = exchange
  const digest = url.searchParams.get('digest')
  if (request.method === 'POST') {
    const mounted = repositories
      .get(url.searchParams.get('from') ?? '')
      ?.content.get(url.searchParams.get('mount') ?? '')
    if (mounted) {
      repositoryOf(repositories, repository).content.set(mounted.digest, mounted)
      return created(exchange, 'blobs', mounted.digest)
    }
    if (digest !== null) return finish(exchange, repositories, await bodyOf(request))
    const id = randomUUID()
    uploads.set(id, Buffer.alloc(0))
    return accepted(exchange, id, 0)
  }
  const before = uploads.get(item)
  if (before === undefined) return refuse(answer, 404, 'BLOB_UPLOAD_UNKNOWN')
  if (request.method === 'GET') return accepted(exchange, item, before.length, 204)
  const start = /^(\d+)-\d+$/.exec(request.headers['content-range'] ?? '')?.[1]
  if (start !== undefined && Number(start) !== before.length)
    return refuse(answer, 416, 'BLOB_UPLOAD_INVALID', { range: `0-${before.length - 1}` })
  const bytes = Buffer.concat([before, await bodyOf(request)])
  if (request.method === 'PATCH') {
    uploads.set(item, bytes)
    return accepted(exchange, item, bytes.length)
  }
  if (request.method !== 'PUT') return refuse(answer, 405, 'UNSUPPORTED')
  uploads.delete(item)
  finish(exchange, repositories, bytes)
}

/** A manifest is taken when its name is its digest and all that it names is here. */
export async function takeManifest(exchange: Exchange, repositories: Repositories, referrers: boolean): Promise<void> {
  const { request, answer, repository: name, item } = exchange
  const bytes = await bodyOf(request)
  const repository = repositoryOf(repositories, name)
  if (isDigest(item) && item !== digestOf(bytes)) return refuse(answer, 400, 'DIGEST_INVALID')
  const one = { mediaType: request.headers['content-type'] ?? '', digest: digestOf(bytes), size: bytes.length, bytes }
  const { digests, subject } = namedBy(one)
  if (digests.some((digest) => !repository.content.has(digest))) return refuse(answer, 400, 'MANIFEST_BLOB_UNKNOWN')
  keep(repository, one.mediaType, bytes)
  if (!isDigest(item)) repository.tags.set(item, one.digest)
  created(exchange, 'manifests', one.digest, subject && referrers ? { 'oci-subject': subject } : {})
}

function finish(exchange: Exchange, repositories: Repositories, bytes: Buffer): void {
  const { answer, url, repository } = exchange
  if (url.searchParams.get('digest') !== digestOf(bytes)) {
    refuse(answer, 400, 'DIGEST_INVALID')
    return
  }
  const { digest } = keep(repositoryOf(repositories, repository), 'application/octet-stream', bytes)
  created(exchange, 'blobs', digest)
}

function created(
  { answer, repository }: Exchange,
  kind: string,
  digest: string,
  more: Record<string, string> = {},
): void {
  const location = `/v2/${repository}/${kind}/${digest}`
  answer.writeHead(201, { location, 'docker-content-digest': digest, 'content-length': 0, ...more }).end()
}

function accepted({ answer, repository }: Exchange, id: string, size: number, status = 202): void {
  const location = `/v2/${repository}/blobs/uploads/${id}`
  const headers = { location, range: `0-${Math.max(0, size - 1)}`, 'docker-upload-uuid': id, 'content-length': 0 }
  answer.writeHead(status, headers).end()
}
