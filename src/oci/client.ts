import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { agentFor } from './agent.ts'
import type { Certificates } from './certificates.ts'
import type { Log } from './environment.ts'
import { misconfigured, unreachable } from './failure.ts'
import { gateOf } from './gate.ts'
import { defaultStall, delayAfter, isPassing, maxAttempts, type Network, patienceOf, wait } from './network.ts'
import { unlessAborted } from './shared.ts'

export interface Request {
  /** What is sent is never redirected. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
  /** Of a POST or PUT; a stream is made anew for each attempt. */
  readonly body?: string | Uint8Array | (() => Readable) | undefined
  /** Fewer, where the caller has to look first what became of the last one. @default 4 */
  readonly attempts?: number | undefined
  /** Sent to the origin of the first URL only. */
  readonly authorization?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** May refuse a URL by throwing, also one that a redirect names. */
  readonly guard?: (url: URL) => void
}

export interface Answer extends Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'> {
  /** Who answered, which after a redirect is another than was asked. */
  readonly url: URL
}

/** An HTTP client for one registry, and for wherever it sends us. */
export interface Client {
  /** Resolves with the last answer, whatever its status; passing failures are tried again. */
  send(url: URL, options: Request): Promise<Answer>
}

interface ClientOptions {
  /** For messages: the registry and repository. */
  readonly name: string
  readonly registry: URL
  readonly certificates?: Certificates | undefined
  readonly env?: NodeJS.ProcessEnv | undefined
  readonly log?: Log | undefined
  readonly network?: Network | undefined
}

const isReading = ({ method = 'GET' }: Request) => method === 'GET' || method === 'HEAD'

const maxRedirects = 10
/** A registry answers an upload when it has hashed and kept all of it; so many times longer than other answers take. */
const keeping = 4
/** Shorter waits are nobody's concern. */
const longWait = 5_000

export function openClient({ name, registry, certificates = {}, log, ...options }: ClientOptions): Client {
  const { network = {}, env = process.env } = options
  const stall = network.stall ?? defaultStall
  const pause = network.wait ?? wait
  // Who we are is told to the registry only; its authority may have signed others' certificates as well.
  const known = { registry: certificates, others: { caFiles: certificates.caFiles } }
  const agents = new Map<keyof typeof known, ReturnType<typeof agentFor>>()
  /** Its files are read once, and not for each request. */
  const agentOf = (whose: keyof typeof known) => {
    const agent = agents.get(whose) ?? agentFor({ certificates: known[whose], stall, env })
    agents.set(whose, agent)
    return agent
  }

  const once = async (url: URL, { method = 'GET', headers, body, authorization, signal }: Request): Promise<Answer> => {
    await gateOf(url.host).pass({ wait: pause, signal })
    const dispatcher = await agentOf(url.origin === registry.origin ? 'registry' : 'others')
    const { request } = await import('undici')
    const asked = request(url, {
      dispatcher,
      method,
      headers: {
        // Content coding would undo a layer's own gzip, and its digest with it.
        'accept-encoding': 'identity',
        'user-agent': 'pulumi-postgres-oci',
        ...headers,
        ...(authorization ? { authorization } : {}),
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'function' ? body() : body, headersTimeout: stall * keeping }),
      ...(signal ? { signal } : {}),
    })
    // undici listens to the signal only once it has a connection.
    const answer = await unlessAborted(asked, signal)
    const { statusCode } = answer
    const patience = isPassing(statusCode) ? patienceOf(answer.headers['retry-after'], Date.now()) : undefined
    if (patience !== undefined && gateOf(url.host).close(patience) && patience > longWait)
      log?.(`Waiting ${Math.ceil(patience / 1000)} s, which ${url.host} asks for by its answer ${statusCode}`)
    return { statusCode, headers: answer.headers, body: answer.body, url }
  }

  return {
    send: async (start, options) => {
      const { attempts = maxAttempts } = options
      for (let attempt = 1; ; attempt += 1) {
        options.signal?.throwIfAborted()
        const visited: URL[] = []
        try {
          const answer = await follow(start, options, { once, visited })
          if (!isPassing(answer.statusCode) || attempt >= attempts) return answer
          await answer.body.dump()
          // The gate of its host makes us wait.
          if (patienceOf(answer.headers['retry-after'], Date.now()) !== undefined) continue
        } catch (error) {
          options.signal?.throwIfAborted()
          if (error instanceof ProviderError) throw error
          const { host } = visited.at(-1) ?? start
          const lasting = misconfigured(name, host, error)
          if (lasting) throw lasting
          if (attempt >= attempts) throw unreachable(name, host, error)
        }
        await pause(delayAfter(attempt), options.signal)
      }
    },
  }
}

interface Trip {
  readonly once: (url: URL, options: Request) => Promise<Answer>
  /** Where it went; when it fails, the last one is to blame. */
  readonly visited: URL[]
}

/** Redirects by hand: no credentials to another origin, and never from https to http (C-oci, H7). */
async function follow(start: URL, options: Request, { once, visited }: Trip): Promise<Answer> {
  let url = start
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    options.guard?.(url)
    visited.push(url)
    const authorization = url.origin === start.origin ? options.authorization : undefined
    const answer = await once(url, { ...options, authorization })
    const location = answer.headers['location']
    const isRedirect = [301, 302, 303, 307, 308].includes(answer.statusCode) && isReading(options)
    if (!isRedirect || typeof location !== 'string') return answer
    await answer.body.dump()
    if (!URL.canParse(location, url.href)) throw redirected(start, 'to what is no URL')
    const next = new URL(location, url)
    if (next.protocol !== 'https:' && (next.protocol !== 'http:' || url.protocol === 'https:'))
      throw redirected(start, `from ${url.protocol}// to ${quote(next.protocol)}`)
    url = next
  }
  throw redirected(start, `more than ${maxRedirects} times`)
}

function redirected(start: URL, how: string): ProviderError {
  return new ProviderError(
    'REGISTRY_FAILED',
    `Cannot use the registry ${start.host}: it redirects ${how}; ask who runs it`,
  )
}
