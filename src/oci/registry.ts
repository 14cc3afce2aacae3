import { readFileSync } from 'node:fs'
import { Agent, type Dispatcher, request } from 'undici'
import { z } from 'zod'
import { digestOf, isDigest } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import type { RegistryReference } from '../model/reference.ts'
import { acceptedManifests } from './schema.ts'
import type { Descriptor, Source } from './source.ts'

/** What the environment says of a registry, by `host[:port]`. */
export type RegistrySettings = Readonly<
  Record<string, { readonly insecure?: boolean | undefined; readonly caFile?: string | undefined }>
>

const maxManifest = 4 * 1024 * 1024
const maxErrorBody = 64 * 1024
const maxRedirects = 10
const attempts = 4

/** A registry that speaks the OCI distribution protocol, read without credentials. */
export function registrySource(reference: RegistryReference, settings: RegistrySettings): Source {
  const setting = settings[reference.registry] ?? {}
  const host = reference.registry === 'docker.io' ? 'registry-1.docker.io' : reference.registry
  const origin = `${setting.insecure ? 'http' : 'https'}://${host}`
  const name = `${reference.registry}/${reference.repository}`
  const dispatcher = new Agent({
    headersTimeout: 30_000,
    bodyTimeout: 30_000,
    ...(setting.caFile ? { connect: { ca: readFileSync(setting.caFile) } } : {}),
  })
  let token: string | undefined

  const get = async (path: string, options: { method?: 'GET' | 'HEAD'; signal?: AbortSignal | undefined }) => {
    const url = new URL(`/v2/${reference.repository}/${path}`, origin)
    for (let attempt = 1; ; attempt += 1) {
      const sent = await follow(url, { dispatcher, token, ...options }).catch((error) => {
        if (options.signal?.aborted || error instanceof ProviderError || attempt >= attempts)
          throw unreachable(name, error)
        return undefined
      })
      const status = sent?.statusCode ?? 0
      if (sent !== undefined && status === 200) return sent
      const body = sent ? await errorBody(sent) : ''
      if (status === 401 && token === undefined) {
        token = await anonymousToken(sent?.headers['www-authenticate'], {
          dispatcher,
          repository: reference.repository,
          insecure: setting.insecure === true,
        })
        if (token !== undefined) continue
      }
      const passing = status === 0 || status === 408 || status === 429 || status >= 500
      if (!passing || attempt >= attempts) throw refused({ name, path, status, body })
      await pause(retryAfter(sent?.headers['retry-after']) ?? 250 * 2 ** attempt, options.signal)
    }
  }

  const manifest = async (which: string, signal: AbortSignal | undefined) => {
    const response = await get(`manifests/${which}`, { signal })
    const bytes = await readCapped(response.body, maxManifest, name)
    const mediaType =
      String(response.headers['content-type'] ?? '')
        .split(';')[0]
        ?.trim() ?? ''
    return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
  }

  return {
    name,
    resolve: async (tag = 'latest', options = {}) => {
      const head = await get(`manifests/${tag}`, { method: 'HEAD', signal: options.signal }).catch((error) => {
        if (error instanceof ProviderError && error.code === 'REGISTRY_FAILED') return undefined
        throw error
      })
      const digest = head?.headers['docker-content-digest']
      const size = Number(head?.headers['content-length'])
      await head?.body.dump()
      if (typeof digest === 'string' && isDigest(digest) && Number.isSafeInteger(size)) {
        return { mediaType: String(head?.headers['content-type'] ?? ''), digest, size }
      }
      return (await manifest(tag, options.signal)).descriptor
    },
    manifest: async (digest, options = {}) => {
      const found = await manifest(digest, options.signal)
      if (found.descriptor.digest === digest) return found
      throw new ProviderError(
        'DIGEST_MISMATCH',
        `Cannot use ${digest} from ${name}: what came has the digest ${found.descriptor.digest}; the registry is damaged or lies`,
      )
    },
    blob: async (descriptor: Descriptor, options = {}) =>
      (await get(`blobs/${descriptor.digest}`, { signal: options.signal })).body,
  }
}

interface Sending {
  readonly dispatcher: Dispatcher
  readonly token: string | undefined
  readonly method?: 'GET' | 'HEAD'
  readonly signal?: AbortSignal | undefined
}

/** Redirects by hand: no credentials to another origin, never from https to http (C-oci, H7). */
async function follow(start: URL, sending: Sending): Promise<Dispatcher.ResponseData> {
  let url = start
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    // `fetch` and content coding would undo a layer's own gzip, and its digest with it.
    const response = await request(url, {
      dispatcher: sending.dispatcher,
      method: sending.method ?? 'GET',
      headers: {
        accept: `${acceptedManifests}, */*`,
        'accept-encoding': 'identity',
        'user-agent': 'pulumi-postgres-oci',
        ...(sending.token && url.origin === start.origin ? { authorization: `Bearer ${sending.token}` } : {}),
      },
      ...(sending.signal ? { signal: sending.signal } : {}),
    })
    const location = response.headers['location']
    if (![301, 302, 303, 307, 308].includes(response.statusCode) || typeof location !== 'string') return response
    await response.body.dump()
    const next = new URL(location, url)
    if (url.protocol === 'https:' && next.protocol !== 'https:')
      throw new ProviderError(
        'REGISTRY_FAILED',
        `Cannot follow ${start.host}: it redirects from https to ${quote(next.protocol)}`,
      )
    url = next
  }
  throw new ProviderError('REGISTRY_FAILED', `Cannot follow ${start.host}: more than ${maxRedirects} redirects`)
}

const tokenSchema = z.object({
  token: z.string().max(65536).optional(),
  access_token: z.string().max(65536).optional(),
})

/** The token that public registries give to anybody (distribution's token authentication). */
async function anonymousToken(
  challenge: string | string[] | undefined,
  options: { dispatcher: Dispatcher; repository: string; insecure: boolean },
): Promise<string | undefined> {
  const bearer = [challenge ?? []].flat().find((one) => /^bearer /i.test(one))
  if (bearer === undefined) return undefined
  const fields = new Map([...bearer.matchAll(/([a-z]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]))
  const realm = URL.canParse(fields.get('realm') ?? '') ? new URL(fields.get('realm') as string) : undefined
  if (realm === undefined || (realm.protocol !== 'https:' && !options.insecure)) return undefined
  if (fields.has('service')) realm.searchParams.set('service', fields.get('service') as string)
  realm.searchParams.set('scope', `repository:${options.repository}:pull`)
  const response = await request(realm, { dispatcher: options.dispatcher })
  const body = await readCapped(response.body, maxErrorBody, realm.host)
  if (response.statusCode !== 200) return undefined
  const parsed = tokenSchema.safeParse(JSON.parse(new TextDecoder().decode(body)))
  return parsed.success ? (parsed.data.token ?? parsed.data.access_token) : undefined
}

async function readCapped(body: AsyncIterable<Buffer>, limit: number, name: string): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > limit)
      throw new ProviderError('LIMIT_EXCEEDED', `Cannot read from ${name}: the answer is larger than ${limit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function errorBody(response: Dispatcher.ResponseData): Promise<string> {
  const bytes = await readCapped(response.body, maxErrorBody, 'the registry').catch(() => new Uint8Array())
  const schema = z.object({
    errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })).min(1),
  })
  try {
    const first = schema.parse(JSON.parse(new TextDecoder().decode(bytes))).errors[0]
    return printable([first?.code, first?.message].filter(Boolean).join(': '))
  } catch {
    return ''
  }
}

function refused(about: { name: string; path: string; status: number; body: string }): ProviderError {
  const what = about.path.replace(/^manifests\//, '').replace(/^blobs\//, '')
  const said = `it answered ${about.status}${about.body ? ` (${about.body})` : ''}`
  if (about.status === 404)
    return new ProviderError(
      'NOT_FOUND',
      `Cannot find ${quote(what)} in ${about.name}: ${said}; check the name and the tag`,
    )
  if (about.status === 401 || about.status === 403)
    return new ProviderError(
      'LOGIN_REFUSED',
      `Cannot read ${about.name}: ${said}; the repository is private or does not exist`,
    )
  return new ProviderError(
    'REGISTRY_FAILED',
    `Cannot read ${quote(what)} from ${about.name}: ${about.status ? said : 'no answer'}`,
  )
}

function unreachable(name: string, error: unknown): unknown {
  if (error instanceof ProviderError) return error
  return new ProviderError('REGISTRY_FAILED', `Cannot reach ${name}: ${printable(messageOf(error))}`, { cause: error })
}

/** Seconds or a date; at most a minute. */
function retryAfter(value: string | string[] | undefined): number | undefined {
  if (typeof value !== 'string') return undefined
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(milliseconds) ? undefined : Math.min(Math.max(milliseconds, 0), 60_000)
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds)
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        reject(signal.reason)
      },
      { once: true },
    )
  })
}
