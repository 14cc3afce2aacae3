import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { Client, type ClientChannel, type ConnectConfig } from 'ssh2'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { collect } from './collect.ts'
import type { Connection } from './connection.ts'
import type { Transport } from './transport.ts'

// sshd's default MaxSessions is 10 a connection; two are left for whoever shares the account.
const maxChannels = 8

/**
 * Opens one SSH connection, to be shared by everything that works on the host.
 *
 * @throws ProviderError HOST_KEY_REFUSED with the line to paste, HOST_UNREACHABLE, LOGIN_REFUSED
 */
export async function connectSsh(connection: Connection, options: { signal?: AbortSignal } = {}): Promise<Transport> {
  const user = connection.user ?? 'root'
  const name = `${user}@${connection.host}${connection.port && connection.port !== 22 ? `:${connection.port}` : ''}`
  const client = new Client()
  let refusedKey: string | undefined
  const config: ConnectConfig = {
    host: connection.host,
    port: connection.port ?? 22,
    username: user,
    readyTimeout: (connection.perDialTimeout ?? 15) * 1000,
    keepaliveInterval: 5000,
    keepaliveCountMax: 3,
    hostVerifier: (key: Buffer) => {
      const line = hostKeyLine(key)
      if (connection.insecureIgnoreHostKey || matchesHostKey(connection.hostKey, key)) return true
      refusedKey = line
      return false
    },
    ...(await credentials(connection)),
  }
  // Without a listener an error of a connection that is already in use would end the process, or hang `up`.
  let broken: Error | undefined
  client.on('error', (error) => {
    broken = error
  })
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      client.destroy()
      reject(options.signal?.reason)
    }
    options.signal?.addEventListener('abort', onAbort, { once: true })
    client.once('ready', () => {
      options.signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    client.once('error', (error) => reject(explain(error, { name, connection, refusedKey })))
    client.once('close', () => reject(explain(broken ?? new Error('closed'), { name, connection, refusedKey })))
    client.connect(config)
  })
  // Nagle's algorithm costs 40 ms an exec (D-ssh, fact 5).
  client.setNoDelay(true)
  const channels = gate(maxChannels)
  return {
    name,
    exec: (command, exec = {}) =>
      channels(async () => {
        const channel = await openChannel(client, command).catch((error) => {
          throw new ProviderError('HOST_UNREACHABLE', `Cannot reach ${name}: ${messageOf(broken ?? error)}`, {
            cause: error,
          })
        })
        const onAbort = () => channel.close()
        exec.signal?.addEventListener('abort', onAbort, { once: true })
        try {
          let code: number | undefined
          channel.once('exit', (status: number | null) => {
            code = status ?? undefined
          })
          const ended = new Promise<number | undefined>((resolve) => channel.once('close', () => resolve(code)))
          return await collect(
            { stdin: channel, stdout: channel, stderr: channel.stderr, ended, stop: () => channel.close() },
            exec,
          )
        } finally {
          exec.signal?.removeEventListener('abort', onAbort)
        }
      }),
    close: async () => {
      client.end()
    },
  }
}

function openChannel(client: Client, command: string): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => (error ? reject(error) : resolve(channel)))
  })
}

async function credentials(connection: Connection): Promise<ConnectConfig> {
  const path = connection.privateKeyPath?.replace(/^~(?=\/)/, homedir())
  const privateKey = connection.privateKey ?? (path ? await readFile(path, 'utf8').catch(unreadable(path)) : undefined)
  const agent =
    connection.agentSocketPath ?? (privateKey || connection.password ? undefined : process.env['SSH_AUTH_SOCK'])
  return {
    ...(privateKey ? { privateKey } : {}),
    ...(connection.privateKeyPassword ? { passphrase: connection.privateKeyPassword } : {}),
    ...(connection.password ? { password: connection.password } : {}),
    ...(agent ? { agent } : {}),
  }
}

function unreadable(path: string): (error: unknown) => never {
  return (error) => {
    throw new ProviderError('BAD_INPUT', `Cannot read the private key ${quote(path)}: ${messageOf(error)}`)
  }
}

/** `ssh-ed25519 AAAA…`, from the key as it goes over the wire (RFC 4253, 6.6). */
function hostKeyLine(key: Buffer): string {
  const length = key.readUInt32BE(0)
  return `${printable(key.subarray(4, 4 + length).toString('latin1'), 64)} ${key.toString('base64')}`
}

/** Accepts `type base64 [comment]` and `SHA256:…`, several separated by newlines. */
function matchesHostKey(allowed: string | undefined, key: Buffer): boolean {
  const fingerprint = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
  return (allowed ?? '').split('\n').some((line) => {
    const words = line.trim().split(/\s+/)
    return words[0] === fingerprint || words[1] === key.toString('base64')
  })
}

function explain(
  error: Error & { level?: string },
  about: { name: string; connection: Connection; refusedKey: string | undefined },
): ProviderError {
  if (about.refusedKey) {
    const known = about.connection.hostKey
      ? 'its key is not the one in connection.hostKey. If the host was reinstalled on purpose, replace it by'
      : 'its key is unknown. If it is the right host, add to the connection'
    return new ProviderError(
      'HOST_KEY_REFUSED',
      `Cannot trust ${about.connection.host}: ${known}\n  hostKey: "${about.refusedKey}"`,
    )
  }
  if (error.level === 'client-authentication') {
    return new ProviderError(
      'LOGIN_REFUSED',
      `Cannot log in to ${about.name}: the host refused every key and password offered; check user, privateKey or password of the connection`,
    )
  }
  return new ProviderError('HOST_UNREACHABLE', `Cannot reach ${about.name}: ${printable(messageOf(error))}`, {
    cause: error,
  })
}

/** Runs at most `limit` tasks at a time, in the order they came. */
function gate(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (task) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
    running += 1
    try {
      return await task()
    } finally {
      running -= 1
      waiting.shift()?.()
    }
  }
}
