import { readFile } from 'node:fs/promises'
import ssh2, { type ConnectConfig } from 'ssh2'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { type Endpoint, endpointName } from './connection.ts'
import { localPath } from './local-path.ts'

export interface Credentials {
  readonly config: Pick<ConnectConfig, 'privateKey' | 'passphrase' | 'password' | 'agent'>
  /** What there is to try, for the message when the host takes none of it. */
  readonly tried: string
}

/** @throws ProviderError BAD_INPUT for a key that cannot be used, LOGIN_REFUSED when there is nothing to log in with */
export async function credentialsOf(endpoint: Endpoint): Promise<Credentials> {
  const { password, privateKeyPassword: passphrase } = endpoint
  const privateKey = await readPrivateKey(endpoint)
  const agent =
    endpoint.agentSocketPath ?? (privateKey || password !== undefined ? undefined : process.env['SSH_AUTH_SOCK'])
  const tried = [
    ...(privateKey ? [endpoint.privateKey === undefined ? `the key ${endpoint.privateKeyPath}` : 'privateKey'] : []),
    ...(agent ? [`the keys of the agent ${agent}`] : []),
    ...(password === undefined ? [] : ['password']),
  ]
  if (tried.length === 0) {
    throw new ProviderError(
      'LOGIN_REFUSED',
      `Cannot log in to ${endpointName(endpoint)}: there is nothing to do it with; set privateKeyPath, privateKey or password in the connection, or start an ssh-agent`,
    )
  }
  return {
    config: {
      ...(privateKey ? { privateKey } : {}),
      ...(privateKey && passphrase !== undefined ? { passphrase } : {}),
      ...(password === undefined ? {} : { password }),
      ...(agent ? { agent } : {}),
    },
    tried: printable(tried.join(', ')),
  }
}

async function readPrivateKey(endpoint: Endpoint): Promise<string | undefined> {
  const path = endpoint.privateKeyPath === undefined ? undefined : localPath(endpoint.privateKeyPath)
  const name = endpoint.privateKey === undefined ? `the private key ${quote(path ?? '')}` : 'privateKey'
  const refuse = (why: string) => new ProviderError('BAD_INPUT', `Cannot use ${name}: ${why}`)
  const text =
    endpoint.privateKey ??
    (path === undefined
      ? undefined
      : await readFile(path, 'utf8').catch((error: unknown) => {
          throw refuse(`${printable(messageOf(error))}; check privateKeyPath`)
        }))
  if (text === undefined) return undefined
  const key = ssh2.utils.parseKey(text, endpoint.privateKeyPassword)
  const parsed = Array.isArray(key) ? key[0] : key
  if (parsed instanceof Error) {
    if (/no passphrase/i.test(parsed.message)) throw refuse('it is encrypted; set privateKeyPassword')
    if (/passphrase|decrypt|integrity/i.test(parsed.message)) throw refuse('privateKeyPassword does not open it')
    if (isFidoKey(text)) throw refuse('it is in a FIDO token, which only ssh itself can use; set transport: "openssh"')
    throw refuse('it is no private key in OpenSSH or PEM format; make one with ssh-keygen -t ed25519')
  }
  if (parsed?.isPrivateKey() === false) throw refuse('it is the public half; give the file without .pub')
  return text
}

/** The public half is not encrypted, and tells its type (PROTOCOL.key and PROTOCOL.u2f of OpenSSH). */
function isFidoKey(text: string): boolean {
  return /sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com/.test(
    Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64').toString('latin1'),
  )
}
