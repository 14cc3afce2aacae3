import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import ssh2, { type ConnectConfig } from 'ssh2'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { type Endpoint, endpointName } from './connection.ts'

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
  const path = endpoint.privateKeyPath?.replace(/^~(?=\/)/, homedir())
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
    throw refuse('it is no private key in OpenSSH or PEM format; make one with ssh-keygen -t ed25519')
  }
  if (parsed?.isPrivateKey() === false) throw refuse('it is the public half; give the file without .pub')
  return text
}
