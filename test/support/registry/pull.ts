import type { Blob } from '../layout.ts'
import { type Exchange, headersOf, page, refuse } from './exchange.ts'
import { namedBy, type Repository } from './store.ts'

export function sendManifest({ request, answer, item }: Exchange, { content, tags }: Repository): void {
  const one = content.get(tags.get(item) ?? item)
  if (one === undefined) refuse(answer, 404, 'MANIFEST_UNKNOWN')
  else answer.writeHead(200, headersOf(one)).end(request.method === 'HEAD' ? undefined : one.bytes)
}

/** @param ranges whether parts can be asked for (RFC 9110, 14.2); a server may ignore that */
export function sendBlob({ request, answer }: Pick<Exchange, 'request' | 'answer'>, one: Blob, ranges: boolean): void {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  const headers = { ...headersOf(one), ...(ranges ? { 'accept-ranges': 'bytes' } : {}) }
  if (request.method === 'HEAD') return void answer.writeHead(200, headers).end()
  if (!ranges || from === undefined) return void answer.writeHead(200, headers).end(one.bytes)
  const first = Number(from)
  const last = Math.min(to ? Number(to) : one.size - 1, one.size - 1)
  if (first > last) return void answer.writeHead(416, { 'content-range': `bytes */${one.size}` }).end()
  const part = one.bytes.subarray(first, last + 1)
  const range = { 'content-length': part.length, 'content-range': `bytes ${first}-${last}/${one.size}` }
  answer.writeHead(206, { ...headers, ...range }).end(part)
}

export function sendTags({ answer, url, repository }: Exchange, { tags }: Repository, pageSize: number): void {
  const { names, headers } = page([...tags.keys()], url, pageSize)
  answer.writeHead(200, { 'content-type': 'application/json', ...headers })
  answer.end(JSON.stringify({ name: repository, tags: names }))
}

/** distribution-spec 1.1, "Listing Referrers". */
export function sendReferrers({ answer, url, item }: Exchange, { content }: Repository, pageSize: number): void {
  const wanted = url.searchParams.get('artifactType')
  const found = new Map<string, object>()
  for (const one of content.values()) {
    if (!one.mediaType.endsWith('+json') || !one.mediaType.includes('manifest')) continue
    const { subject, artifactType, annotations } = namedBy(one)
    if (subject !== item || (wanted !== null && artifactType !== wanted)) continue
    const { mediaType, digest, size } = one
    found.set(digest, { mediaType, digest, size, artifactType, annotations })
  }
  const { names, headers } = page([...found.keys()], url, pageSize)
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const filtered: Record<string, string> = wanted === null ? {} : { 'oci-filters-applied': 'artifactType' }
  answer.writeHead(200, { 'content-type': mediaType, ...filtered, ...headers })
  answer.end(JSON.stringify({ schemaVersion: 2, mediaType, manifests: names.map((name) => found.get(name)) }))
}
