import ssh2, { type Client, type ClientChannel } from 'ssh2'
import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { type Endpoint, endpointName } from './connection.ts'
import { type Credentials, credentialsOf } from './credentials.ts'
import { hostKeyCheck } from './host-key.ts'
import { shutOut, unreachable } from './refusal.ts'
import { dialTimeout, retried } from './retry.ts'

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
 * Logs in, through the proxies if there are any, each as often as its `dialErrorLimit` allows.
 *
 * @throws ProviderError HOST_KEY_REFUSED with the line to paste, HOST_UNREACHABLE, LOGIN_REFUSED, BAD_INPUT
 */
export async function dial(connection: Endpoint, options: DialOptions = {}, argument = 'connection'): Promise<Dialled> {
  const { proxy } = connection
  if (proxy === undefined) return retried(connection, () => login(connection, argument, options), options)
  const outer = await dial(proxy, options, argument === 'connection' ? 'proxy' : `${argument}.proxy`)
  try {
    const through = { name: endpointName(proxy), outer }
    const inner = await retried(connection, () => login(connection, argument, { ...options, through }), options)
    inner.lost.then(() => outer.client.end())
    return inner
  } catch (error) {
    outer.client.end()
    throw error
  }
}

interface Attempt extends DialOptions {
  readonly through?: { readonly name: string; readonly outer: Dialled }
}

async function login(endpoint: Endpoint, argument: string, options: Attempt): Promise<Dialled> {
  const { signal, through, keepalive = { milliseconds: 5000, count: 3 } } = options
  signal?.throwIfAborted()
  const [hostKey, credentials] = [await hostKeyCheck(endpoint, argument), await credentialsOf(endpoint)]
  const timeout = dialTimeout(endpoint)
  const client = new ssh2.Client()
  const notes: string[] = []
  const failure = (error: Error & { level?: string; code?: string }) =>
    hostKey.refusal() ?? explain(error, { endpoint, credentials, notes, through: through?.name, timeout, atLogin })
  let atLogin: string | undefined
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
    client.once('handshake', () => {
      atLogin = ''
    })
    // The last one tells why; the first may be a notice for all.
    client.on('banner', (text) => {
      atLogin = text.trim().split('\n').at(-1)
    })
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
    atLogin: string | undefined
  },
): ProviderError {
  const { endpoint, credentials } = about
  const name = endpointName(endpoint)
  if (error.level === 'client-authentication') {
    const notes = about.notes.length > 0 ? ` (${printable(about.notes.join('; '))})` : ''
    return new ProviderError(
      'LOGIN_REFUSED',
      `Cannot log in to ${name}: the host takes none of what was tried: ${credentials.tried}${notes}; check the user, that its authorized_keys or password fit, and ${shutOut}`,
      { cause: error },
    )
  }
  return unreachable(endpoint, { error, ...about })
}
