import { type Dispatcher, request } from 'undici'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { agentFor } from './agent.ts'
import { misconfigured, unreachable } from './failure.ts'
import { defaultStall, delayAfter, isPassing, maxAttempts, type Network, wait } from './network.ts'
import type { RegistrySetting } from './settings.ts'

interface Request {
  readonly method?: 'GET' | 'HEAD'
  readonly accept?: string
  /** Sent to the origin of the first URL only. */
  readonly authorization?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** May refuse a URL by throwing, also one that a redirect names. */
  readonly guard?: (url: URL) => void
}

export type Answer = Dispatcher.ResponseData

/** An HTTP client for one registry, and for wherever it redirects to. */
export interface Client {
  /** Resolves with the last answer, whatever its status; passing failures are tried again. */
  send(url: URL, options: Request): Promise<Answer>
}

const maxRedirects = 10

/** @param name for messages: the registry and repository */
export function openClient(name: string, setting: RegistrySetting, network: Network = {}): Client {
  const dispatcher = agentFor(setting.caFile, network.stall ?? defaultStall)
  const pause = network.wait ?? wait
  return {
    send: async (start, options) => {
      for (let attempt = 1; ; attempt += 1) {
        options.signal?.throwIfAborted()
        const visited: URL[] = []
        let retryAfter: unknown
        try {
          const answer = await follow(start, options, { dispatcher, visited })
          if (!isPassing(answer.statusCode) || attempt >= maxAttempts) return answer
          retryAfter = answer.headers['retry-after']
          await answer.body.dump()
        } catch (error) {
          options.signal?.throwIfAborted()
          if (error instanceof ProviderError) throw error
          const { host } = visited.at(-1) ?? start
          const lasting = misconfigured(name, host, error)
          if (lasting) throw lasting
          if (attempt >= maxAttempts) throw unreachable(name, host, error)
        }
        await pause(delayAfter(attempt, retryAfter, Date.now()), options.signal)
      }
    },
  }
}

interface Trip {
  readonly dispatcher: Dispatcher
  /** Where it went; when it fails, the last one is to blame. */
  readonly visited: URL[]
}

/** Redirects by hand: no credentials to another origin, and never from https to http (C-oci, H7). */
async function follow(start: URL, options: Request, trip: Trip): Promise<Answer> {
  let url = start
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    options.guard?.(url)
    trip.visited.push(url)
    const authorization = url.origin === start.origin ? options.authorization : undefined
    const answer = await ask(url, { ...options, authorization }, trip.dispatcher)
    const location = answer.headers['location']
    if (![301, 302, 303, 307, 308].includes(answer.statusCode) || typeof location !== 'string') return answer
    await answer.body.dump()
    if (!URL.canParse(location, url.href)) throw redirected(start, 'to what is no URL')
    const next = new URL(location, url)
    if (next.protocol !== 'https:' && (next.protocol !== 'http:' || url.protocol === 'https:'))
      throw redirected(start, `from ${url.protocol}// to ${quote(next.protocol)}`)
    url = next
  }
  throw redirected(start, `more than ${maxRedirects} times`)
}

function ask(url: URL, options: Request, dispatcher: Dispatcher): Promise<Answer> {
  return request(url, {
    dispatcher,
    method: options.method ?? 'GET',
    headers: {
      accept: options.accept ?? '*/*',
      // Content coding would undo a layer's own gzip, and its digest with it.
      'accept-encoding': 'identity',
      'user-agent': 'pulumi-postgres-oci',
      ...(options.authorization ? { authorization: options.authorization } : {}),
    },
    ...(options.signal ? { signal: options.signal } : {}),
  })
}

function redirected(start: URL, how: string): ProviderError {
  return new ProviderError(
    'REGISTRY_FAILED',
    `Cannot use the registry ${start.host}: it redirects ${how}; ask who runs it`,
  )
}
