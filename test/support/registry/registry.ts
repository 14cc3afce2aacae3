import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Blob } from '../layout.ts'
import { refuse } from './exchange.ts'
import { type Listening, listen, type Recorded } from './listen.ts'
import { Door, type Login } from './login.ts'
import { sendBlob, sendManifest, sendReferrers, sendTags } from './pull.ts'
import { takeBlob, takeManifest, type Uploads } from './push.ts'
import { type Repositories, repositoryOf } from './store.ts'

/** Does something else than a registry would, for one request. */
export type Fault = (answer: ServerResponse, request: IncomingMessage) => void

export interface RegistryOptions {
  readonly login?: Login
  /** Blobs are sent by another origin, where a redirect leads to. */
  readonly redirect?: boolean
  /** False: the API of referrers is missing, as in many registries. */
  readonly referrers?: boolean
  /** False: Range is ignored. */
  readonly ranges?: boolean
  /** Of lists of tags and referrers. */
  readonly pageSize?: number
  readonly tls?: { cert: string | Buffer; key: string | Buffer }
  /** The address of this machine where it is; loopback by default. */
  readonly at?: string
  /** What another one has; both change it. */
  readonly repositories?: Repositories
}

export interface TestRegistry {
  /** `address:port`. */
  readonly host: string
  /** `GET /v2/…` in their order. */
  readonly requests: string[]
  /** The same with headers, and those of its storage and its token server. */
  readonly records: Recorded[]
  readonly repositories: Repositories
  /** The next request that matches gets this fault; several wait in line. */
  fault(matching: RegExp, ...faults: readonly Fault[]): void
  /** No token that was given out so far is good any more. */
  expireTokens(): void
  close(): Promise<void>
}

/**
 * A registry in this process: any repository, push and pull, lists, referrers, Range, logins; and it can be made to
 * misbehave. That it behaves otherwise is checked by others' clients, in test/oci/servers.test.ts.
 *
 * @param tags of the repository `team/image`, with `blobs` in it; others can be pushed
 */
export async function startRegistry(
  tags: Readonly<Record<string, Blob>>,
  blobs: readonly Blob[],
  options: RegistryOptions = {},
): Promise<TestRegistry> {
  const { redirect = false, referrers = true, ranges = true, pageSize = 100, login, tls, at } = options
  const { repositories = new Map() } = options
  const uploads: Uploads = new Map()
  const first = repositoryOf(repositories, 'team/image')
  for (const one of [...Object.values(tags), ...blobs]) first.content.set(one.digest, one)
  for (const [tag, one] of Object.entries(tags)) first.tags.set(tag, one.digest)

  const requests: string[] = []
  const records: Recorded[] = []
  const record = (server: Recorded['server']) => (request: IncomingMessage) => {
    const { method = '', url = '', headers, httpVersion } = request
    records.push({ server, method, url, headers, httpVersion })
    if (server === 'registry') requests.push(`${method} ${url}`)
  }
  const faults: { matching: RegExp; fault: Fault }[] = []
  const door = login && new Door(login)
  const open: Listening[] = []
  const tokens = door && (await listen((...both) => door.serve(...both), { tls, record: record('tokens') }))
  if (tokens) open.push(tokens)
  const sendStored = (request: IncomingMessage, answer: ServerResponse) => {
    const [, name = '', digest = ''] = /^\/([^?]+)\/([^/?]+)\?signature=/.exec(request.url ?? '') ?? []
    const one = repositories.get(name)?.content.get(digest)
    return one ? sendBlob({ request, answer }, one, ranges) : refuse(answer, 404, 'NOT_FOUND')
  }
  const storage = redirect ? await listen(sendStored, { tls, record: record('storage') }) : undefined
  if (storage) open.push(storage)

  const serve = (request: IncomingMessage, answer: ServerResponse): void | Promise<void> => {
    const { method = '' } = request
    const at = faults.findIndex(({ matching }) => matching.test(`${method} ${request.url}`))
    const [found] = at < 0 ? [] : faults.splice(at, 1)
    if (found) return found.fault(answer, request)
    const url = new URL(request.url ?? '/', 'http://registry')
    const [, name, kind = '', item = ''] =
      /^\/v2\/(.+?)\/(manifests|blobs\/uploads|blobs|tags|referrers)\/([^/]*)$/.exec(url.pathname) ?? []
    const realm = `${tokens?.origin}/token`
    if (door && !door.admits(request, answer, { repository: name, realm })) return
    if (url.pathname === '/v2/') return void answer.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    if (name === undefined) return refuse(answer, 404, 'NOT_FOUND')
    const exchange = { request, answer, url, repository: name, item }
    if (kind === 'blobs/uploads') return takeBlob(exchange, { repositories, uploads })
    if (kind === 'manifests' && method === 'PUT') return takeManifest(exchange, repositories, referrers)
    if (method !== 'GET' && method !== 'HEAD') return refuse(answer, 405, 'UNSUPPORTED')
    const repository = repositories.get(name)
    if (repository === undefined) return refuse(answer, 404, kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN')
    if (kind === 'manifests') return sendManifest(exchange, repository)
    if (kind === 'tags') return sendTags(exchange, repository, pageSize)
    if (kind === 'referrers') {
      if (referrers) return sendReferrers(exchange, repository, pageSize)
      return refuse(answer, 404, 'NOT_FOUND')
    }
    const one = repository.content.get(item)
    if (one === undefined) return refuse(answer, 404, 'BLOB_UNKNOWN')
    if (storage === undefined) return sendBlob(exchange, one, ranges)
    answer.writeHead(307, { location: `${storage.origin}/${name}/${item}?signature=secret` }).end()
  }
  const registry = await listen(serve, { tls, at, record: record('registry') })
  open.push(registry)
  return {
    host: registry.host,
    requests,
    records,
    repositories,
    fault: (matching, ...more) => void faults.push(...more.map((fault) => ({ matching, fault }))),
    expireTokens: () => door?.expireTokens(),
    close: async () => void (await Promise.all(open.map((one) => one.close()))),
  }
}
