import { type Digest, digestOf, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import type { RegistryReference } from '../model/reference.ts'
import { blobStream } from './blob.ts'
import { readBody } from './body.ts'
import type { Answer } from './client.ts'
import { discoverReferrers } from './discover.ts'
import { delayAfter, maxAttempts, type Network, wait } from './network.ts'
import { openRepository, type Repository, type RepositoryOptions } from './repository.ts'
import { acceptedManifests, mediaTypeIn, typeOf } from './schema.ts'
import { maxDocument, type Source } from './source.ts'
import { listTags } from './tags.ts'

const headers = { accept: acceptedManifests }

/** A registry that speaks the OCI distribution protocol. */
export function registrySource(reference: RegistryReference, options: RepositoryOptions): Source {
  const repository = openRepository(reference, options)
  const { name } = repository
  return {
    name,
    resolve: async (tag = 'latest', { signal } = {}) => {
      const head = await repository.ask(`manifests/${tag}`, { method: 'HEAD', headers, signal })
      await head.body.dump()
      const announced = announcedBy(head)
      if (head.statusCode === 200 && announced !== undefined) return { digest: announced }
      // Not all registries answer HEAD, or say the digest there (distribution-spec: the header is optional).
      return { digest: await resolveByGet(repository, tag, { network: options.network, signal }) }
    },
    tags: ({ signal } = {}) => listTags(repository, { signal }),
    manifest: async (digest, { signal } = {}) => {
      return (await getDocument(repository, digest, { network: options.network, signal })).bytes
    },
    blob: async (descriptor, { signal } = {}) =>
      blobStream(descriptor, { repository, network: options.network, signal }),
    referrers: (digest, { signal } = {}) => discoverReferrers(repository, digest, { signal }),
  }
}

interface Patience {
  readonly network: Network | undefined
  readonly signal: AbortSignal | undefined
}

/** A manifest or index and its headers; asked for again when it breaks off in its middle. */
async function getDocument(repository: Repository, item: string, { network, signal }: Patience) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await repository.expect(`manifests/${item}`, { headers, signal })
    try {
      return { answer, bytes: await readBody(answer, maxDocument, repository.name) }
    } catch (error) {
      signal?.throwIfAborted()
      const isCut = error instanceof ProviderError && error.code === 'REGISTRY_FAILED'
      if (!isCut || attempt >= maxAttempts) throw error
      await (network?.wait ?? wait)(delayAfter(attempt), signal)
    }
  }
}

async function resolveByGet(repository: Repository, tag: string, patience: Patience): Promise<Digest> {
  const { name } = repository
  const { answer, bytes } = await getDocument(repository, tag, patience)
  const digest = digestOf(bytes)
  const announced = announcedBy(answer)
  if (announced !== undefined && announced !== digest)
    throw new ProviderError(
      'DIGEST_MISMATCH',
      `Cannot use ${quote(tag)} of ${name}: the registry says it is ${announced}, and sends ${digest}; run it again, or ask who runs it`,
    )
  // Two readers could take it for two things (image-spec, media-types.md, "Conflicts"). By digest, the bytes decide.
  const [stated, inside] = [typeOf(answer.headers['content-type']), mediaTypeIn(bytes)]
  if (stated !== undefined && inside !== undefined && stated !== inside)
    throw new ProviderError(
      'BAD_IMAGE',
      `Cannot use ${quote(tag)} of ${name}: the registry says it is of type ${quote(stated)}, and itself it says ${quote(inside)}; push it again`,
    )
  return digest
}

function announcedBy({ headers }: Answer): Digest | undefined {
  const announced = headers['docker-content-digest']
  return typeof announced === 'string' && isDigest(announced) ? announced : undefined
}
