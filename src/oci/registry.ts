import { digestOf, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import type { RegistryReference } from '../model/reference.ts'
import { blobStream } from './blob.ts'
import { readBody } from './body.ts'
import { parseChallenges } from './challenge.ts'
import { type Answer, openClient } from './client.ts'
import type { FindCredential } from './credential.ts'
import { reasonIn, refused } from './failure.ts'
import type { Network } from './network.ts'
import { listTag, manifestsIn, maxReferrers, referrerOf } from './referrers.ts'
import { acceptedManifests } from './schema.ts'
import type { RegistrySetting } from './settings.ts'
import { maxDocument, type Source } from './source.ts'
import { anonymousToken } from './token.ts'

const maxErrorBody = 64 * 1024

interface Asking {
  readonly method?: 'GET' | 'HEAD'
  readonly signal?: AbortSignal | undefined
}

interface RegistryOptions {
  readonly setting?: RegistrySetting | undefined
  readonly network?: Network | undefined
  /** Asked when the registry wants a login. @default anonymous */
  readonly credential?: FindCredential
  /** For messages. @default `ghcr.io/acme/pgvector` */
  readonly name?: string
}

/** A registry that speaks the OCI distribution protocol. */
export function registrySource(reference: RegistryReference, options: RegistryOptions): Source {
  const { setting = {}, network = {}, credential } = options
  const { registry, repository } = reference
  const { name = `${registry}/${repository}` } = options
  // Docker Hub's name is not its host's.
  const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry
  const origin = new URL(`${setting.insecure ? 'http' : 'https'}://${host}`)
  const client = openClient(name, setting, network)
  let authorization: Promise<string | undefined> = Promise.resolve(undefined)

  const logIn = async (challenge: string | string[] | undefined, signal: AbortSignal | undefined) => {
    const token = await anonymousToken(challenge, { client, registry: origin, repository, name, signal })
    if (token !== undefined) return `Bearer ${token}`
    if (!parseChallenges(challenge).some(({ scheme }) => scheme === 'basic')) return undefined
    const login = await credential?.({ signal })
    if (login === undefined || 'identityToken' in login) return undefined
    return `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`
  }

  /** The last answer, whatever its status, after one login if the registry asks for it. */
  const ask = async (path: string, asking: Asking): Promise<Answer> => {
    const used = authorization
    const send = async () =>
      client.send(new URL(`/v2/${repository}/${path}`, origin), {
        ...asking,
        accept: path.startsWith('manifests/') ? acceptedManifests : '*/*',
        authorization: await authorization,
      })
    const first = await send()
    if (first.statusCode !== 401) return first
    const challenge = first.headers['www-authenticate']
    await first.body.dump()
    // Whoever asks while a login is under way waits for it, and so does who had the one that ran out.
    if (authorization === used) {
      authorization = logIn(challenge, asking.signal)
      authorization.catch(() => {
        authorization = Promise.resolve(undefined)
      })
    }
    return send()
  }

  const get = async (path: string, signal: AbortSignal | undefined): Promise<Answer> => {
    const answer = await ask(path, { signal })
    if (answer.statusCode === 200) return answer
    const body = await readBody(answer.body, maxErrorBody, name).catch(() => new Uint8Array())
    const what = path.slice(path.indexOf('/') + 1)
    throw refused(name, what, { status: answer.statusCode, reason: reasonIn(body) })
  }

  return {
    name,
    resolve: async (tag = 'latest', { signal } = {}) => {
      const head = await ask(`manifests/${tag}`, { method: 'HEAD', signal })
      await head.body.dump()
      const announced = head.headers['docker-content-digest']
      if (head.statusCode === 200 && typeof announced === 'string' && isDigest(announced)) return { digest: announced }
      // Not all registries answer HEAD, or say the digest there (distribution-spec: the header is optional).
      const answer = await get(`manifests/${tag}`, signal)
      const digest = digestOf(await readBody(answer.body, maxDocument, name))
      const stated = answer.headers['docker-content-digest']
      if (typeof stated === 'string' && isDigest(stated) && stated !== digest)
        throw new ProviderError(
          'DIGEST_MISMATCH',
          `Cannot use "${tag}" of ${name}: the registry says it is ${stated}, and sends ${digest}; run it again, or ask who runs it`,
        )
      return { digest }
    },
    manifest: async (digest, { signal } = {}) =>
      readBody((await get(`manifests/${digest}`, signal)).body, maxDocument, name),
    blob: async (descriptor, { signal } = {}) =>
      blobStream(descriptor, () => get(`blobs/${descriptor.digest}`, signal), { ...network, name, host, signal }),
    referrers: async (digest, { signal } = {}) => {
      for (const path of [`referrers/${digest}`, `manifests/${listTag(digest)}`]) {
        const answer = await ask(path, { signal })
        if (answer.statusCode !== 200) {
          await answer.body.dump()
          continue
        }
        const entries = manifestsIn(await readBody(answer.body, maxDocument, name))
        return entries.slice(0, maxReferrers).map(referrerOf)
      }
      return []
    },
  }
}
