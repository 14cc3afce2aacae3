import { connect as connectSocket, type Socket } from 'node:net'
import ssh2, { type Client, type ClientChannel } from 'ssh2'
import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { type Endpoint, endpointName } from './connection.ts'
import { type Credentials, credentialsOf } from './credentials.ts'
import { hostKeyCheck } from './host-key.ts'
import { shutOut, unreachable } from './refusal.ts'
import { dialTimeout, retried } from './retry.ts'
import { type Keepalive, usualKeepalive, watchSilence } from './silence.ts'

export interface DialOptions {
  readonly signal?: AbortSignal
  readonly keepalive?: Keepalive
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
  const { signal, through, keepalive = usualKeepalive } = options
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
    const begin = (sock: Socket | ClientChannel) => {
      client.once('ready', () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        watchSilence(sock, keepalive, (why) => giveUp(new Error(why)))
        resolve({ client, lost })
      })
      client.connect({
        sock,
        username: endpoint.user ?? 'root',
        readyTimeout: timeout,
        // It only asks: its own count would lose a host whose answer stands behind much that we sent.
        keepaliveInterval: keepalive.milliseconds,
        keepaliveCountMax: Number.POSITIVE_INFINITY,
        algorithms: { serverHostKey: hostKey.algorithms },
        hostVerifier: hostKey.accepts,
        ...credentials.config,
        // Many hosts take a password by this way only.
        tryKeyboard: endpoint.password !== undefined,
      })
    }
    const [host, port] = [endpoint.host, endpoint.port ?? 22]
    // Nagle's algorithm costs 40 ms an exec (D-ssh, fact 5).
    if (!through) return begin(connectSocket({ host, port, noDelay: true }))
    through.outer.lost.then((why) => giveUp(new Error(`${through.name}: ${why}`)))
    through.outer.client.forwardOut('127.0.0.1', 0, host, port, (error, channel) =>
      error ? giveUp(error) : begin(channel),
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
