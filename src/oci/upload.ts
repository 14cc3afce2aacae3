import { Readable } from 'node:stream'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import type { Answer } from './client.ts'
import { delayAfter, maxAttempts, type Network, wait } from './network.ts'
import type { Repository } from './repository.ts'
import type { Descriptor } from './source.ts'

/** A blob to be put into a registry. */
export interface Upload extends Descriptor {
  /** Its bytes from the beginning, once for each attempt. */
  readonly open: () => Readable
}

interface UploadOptions {
  readonly repository: Repository
  readonly network?: Network | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Resolving means that the registry says it has the blob. One that is there is not sent again; after an upload that
 * broke off, the registry is asked whether it came all the same, and a new one is begun (distribution-spec, "Pushing
 * a blob monolithically").
 */
export async function uploadBlob(blob: Upload, { repository, network, signal }: UploadOptions): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    if (await hasBlob(blob, repository, signal)) return
    try {
      return await sendBlob(blob, repository, signal)
    } catch (error) {
      signal?.throwIfAborted()
      const mayPass = error instanceof ProviderError && error.code === 'REGISTRY_FAILED'
      if (!mayPass || attempt >= maxAttempts) throw error
    }
    await (network?.wait ?? wait)(delayAfter(attempt), signal)
  }
}

async function hasBlob({ digest, size }: Upload, repository: Repository, signal: AbortSignal | undefined) {
  const statuses = [200, 404]
  const answer = await repository.expect(`blobs/${digest}`, { method: 'HEAD', statuses, signal })
  await answer.body.dump()
  if (answer.statusCode === 404) return false
  const length = answer.headers['content-length']
  if (length === undefined || Number(length) === size) return true
  throw new ProviderError(
    'REGISTRY_FAILED',
    `Cannot use ${repository.name}: the registry says that ${digest} has ${quote(String(length))} bytes, and it has ${size}; ask who runs it`,
  )
}

async function sendBlob({ digest, size, open }: Upload, repository: Repository, signal: AbortSignal | undefined) {
  const begun = await repository.ask('blobs/uploads/', { method: 'POST', attempts: 1, signal })
  if (begun.statusCode !== 202) throw await repository.refuse(digest, begun)
  await begun.body.dump()
  let broken: Error | undefined
  const body = () => {
    const source = open().once('error', (error) => {
      broken = error
    })
    // A stream of its own, because a failed connection gives its error to what it was sending.
    return Readable.from(source, { objectMode: false })
  }
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) }
  const answer = await repository
    .ask(placeOf(begun, digest, repository), { method: 'PUT', headers, body, attempts: 1, signal })
    .catch((error: unknown) => {
      throw broken ?? error
    })
  if (answer.statusCode !== 201) throw await repository.refuse(digest, answer)
  await answer.body.dump()
  const taken = answer.headers['docker-content-digest']
  if (taken === undefined || taken === digest) return
  throw new ProviderError(
    'DIGEST_MISMATCH',
    `Cannot write ${digest} to ${repository.name}: the registry says that it took ${quote(String(taken))}; ask who runs it`,
  )
}

/** Where the bytes go: wherever the registry says, but never from https to http. Its query may be signed, so it stays. */
function placeOf({ headers, url }: Answer, digest: string, { name, origin }: Repository): URL {
  const location = headers['location']
  const place = typeof location === 'string' && URL.canParse(location, url.href) ? new URL(location, url) : undefined
  if (place?.protocol !== 'https:' && (place?.protocol !== 'http:' || origin.protocol === 'https:'))
    throw new ProviderError(
      'REGISTRY_REFUSED',
      `Cannot write to ${name}: the registry sends the upload to ${quote(String(location))}, which is no URL that we may use; ask who runs it`,
    )
  place.search += `${place.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`
  return place
}
