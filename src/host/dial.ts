import { setTimeout as delay } from 'node:timers/promises'
import ssh2, { type Client, type ClientChannel } from 'ssh2'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { type Connection, type Endpoint, endpointName } from './connection.ts'
import { type Credentials, credentialsOf } from './credentials.ts'
import { hostKeyCheck } from './host-key.ts'

export interface DialOptions {
  readonly signal?: AbortSignal
  /** A host that is silent for this long is asked; after `count` unanswered questions it is lost. */
  readonly keepalive?: { readonly milliseconds: number; readonly count: number }
}

/** A connection that was made. What ends it later ends `lost`, which never rejects. */
export interface Dialled {
  readonly client: Client
  readonly lost: Promise<string>
}

/**
 * Logs in, through the proxy if there is one, as often as `dialErrorLimit` allows. Only what may pass by itself is
 * tried again: a refused key or password would lock accounts.
 *
 * @throws ProviderError HOST_KEY_REFUSED with the line to paste, HOST_UNREACHABLE, LOGIN_REFUSED, BAD_INPUT
 */
export async function dial(connection: Connection, options: DialOptions = {}): Promise<Dialled> {
  const { proxy, ...endpoint } = connection
  if (proxy === undefined) return retried(endpoint, () => login(endpoint, 'connection', options), options)
  const outer = await retried(proxy, () => login(proxy, 'proxy', options), options)
  try {
    const through = async () =>
      login(endpoint, 'connection', { ...options, through: { name: endpointName(proxy), outer } })
    const inner = await retried(endpoint, through, options)
    inner.lost.then(() => outer.client.end())
    return inner
  } catch (error) {
    outer.client.end()
    throw error
  }
}

const longestDial = 600_000

async function retried<T>(endpoint: Endpoint, attempt: () => Promise<T>, { signal }: DialOptions): Promise<T> {
  const limit = endpoint.dialErrorLimit ?? 3
  const last = Date.now() + longestDial
  for (let errors = 1, pause = 500; ; errors += 1, pause = Math.min(pause * 2, 10_000)) {
    try {
      return await attempt()
    } catch (error) {
      const mayPass = error instanceof ProviderError && error.code === 'HOST_UNREACHABLE'
      if (!mayPass || (limit >= 0 && errors >= limit) || Date.now() + pause > last) throw error
      await delay(pause, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted())
    }
  }
}

interface Attempt extends DialOptions {
  readonly through?: { readonly name: string; readonly outer: Dialled }
}

async function login(endpoint: Endpoint, argument: 'connection' | 'proxy', options: Attempt): Promise<Dialled> {
  const { signal, through, keepalive = { milliseconds: 5000, count: 3 } } = options
  signal?.throwIfAborted()
  const [hostKey, credentials] = [await hostKeyCheck(endpoint, argument), await credentialsOf(endpoint)]
  const timeout = endpoint.perDialTimeout === 0 ? longestDial : (endpoint.perDialTimeout ?? 15) * 1000
  const client = new ssh2.Client()
  const notes: string[] = []
  const failure = (error: Error & { level?: string; code?: string }) =>
    hostKey.refusal() ?? explain(error, { endpoint, credentials, notes, through: through?.name, timeout })
  let report: (why: string) => void = () => {}
  const lost = new Promise<string>((resolve) => {
    report = resolve
  })
  return new Promise<Dialled>((resolve, reject) => {
    const end = (error: Error) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      report(printable(error.message))
      reject(signal?.aborted ? signal.reason : failure(error))
    }
    const giveUp = (error: Error) => {
      end(error)
      client.destroy()
    }
    // Around ssh2's own limit, which does not count what happens before its first packet: names, the way through.
    const timer = setTimeout(() => giveUp(new Error('timed out')), timeout)
    const onAbort = () => giveUp(new Error('aborted'))
    signal?.addEventListener('abort', onAbort, { once: true })
    client.on('error', (error: Error & { level?: string }) => {
      // An agent that fails is one way less to log in.
      if (error.level === 'agent') notes.push(error.message)
      else end(error)
    })
    client.on('close', () => end(new Error('the connection was closed')))
    client.on('keyboard-interactive', (_name, _instructions, _language, prompts, finish) =>
      finish(prompts.map(({ echo }) => (echo ? '' : (endpoint.password ?? '')))),
    )
    client.once('ready', () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      // Nagle's algorithm costs 40 ms an exec (D-ssh, fact 5).
      if (!through) client.setNoDelay(true)
      resolve({ client, lost })
    })
    const connect = (sock?: ClientChannel) =>
      client.connect({
        host: endpoint.host,
        port: endpoint.port ?? 22,
        username: endpoint.user ?? 'root',
        readyTimeout: timeout,
        keepaliveInterval: keepalive.milliseconds,
        keepaliveCountMax: keepalive.count,
        algorithms: { serverHostKey: hostKey.algorithms },
        hostVerifier: hostKey.accepts,
        ...credentials.config,
        // Many hosts take a password by this way only.
        tryKeyboard: endpoint.password !== undefined,
        ...(sock ? { sock } : {}),
      })
    if (!through) return void connect()
    through.outer.lost.then((why) => giveUp(new Error(`${through.name}: ${why}`)))
    through.outer.client.forwardOut('127.0.0.1', 0, endpoint.host, endpoint.port ?? 22, (error, channel) =>
      error ? giveUp(error) : connect(channel),
    )
  })
}

function explain(
  error: Error & { level?: string; code?: string },
  about: {
    endpoint: Endpoint
    credentials: Credentials
    notes: readonly string[]
    through: string | undefined
    timeout: number
  },
): ProviderError {
  const { endpoint, credentials, through } = about
  const name = endpointName(endpoint)
  if (error.level === 'client-authentication') {
    const notes = about.notes.length > 0 ? ` (${printable(about.notes.join('; '))})` : ''
    return new ProviderError(
      'LOGIN_REFUSED',
      `Cannot log in to ${name}: the host takes none of what was tried: ${credentials.tried}${notes}; check the user, and that its authorized_keys or password fit`,
      { cause: error },
    )
  }
  // Another port than 22 is in the name.
  const port = (endpoint.port ?? 22) === 22 ? 'port 22' : 'that port'
  const why = /timed out/i.test(error.message)
    ? `no answer on ${port} in ${about.timeout / 1000} s; check the address and firewalls`
    : error.code === 'ECONNREFUSED' || /connection refused/i.test(error.message)
      ? `nothing listens on ${port}; check the port, and that sshd runs there`
      : error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN'
        ? 'its name is not known here; check the name and DNS'
        : `${printable(messageOf(error))}; check that it is up, and that an SSH server answers on ${port}`
  return new ProviderError('HOST_UNREACHABLE', `Cannot reach ${name}${through ? ` through ${through}` : ''}: ${why}`, {
    cause: error,
  })
}
