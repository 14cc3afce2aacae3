import { readFile } from 'node:fs/promises'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import type { Endpoint } from './connection.ts'
import { localPath } from './local-path.ts'
import { type SshSettings, sshSettings } from './ssh-settings.ts'

const longestChain = 5

/**
 * The connection with what its `sshConfig` says of the host, and of its jump hosts, filled in; what the connection
 * itself says comes first. `ssh -G` reads the file, because nothing else reads Include, Match and tokens as ssh does.
 *
 * @throws ProviderError BAD_INPUT for a file that ssh does not take, and for what only ssh itself can do
 */
export async function withSshConfig<T extends Endpoint>(endpoint: T): Promise<T> {
  const proxy = endpoint.proxy === undefined ? {} : { proxy: await withSshConfig(endpoint.proxy) }
  if (endpoint.sshConfig === undefined) return { ...endpoint, ...proxy }
  return { ...(await filled(endpoint, longestChain)), ...proxy }
}

/** The connection with the users that ssh would log in as, for messages. */
export async function withSshUser<T extends Endpoint>(endpoint: T): Promise<T> {
  const proxy = endpoint.proxy === undefined ? {} : { proxy: await withSshUser(endpoint.proxy) }
  return { ...endpoint, ...proxy, user: endpoint.user ?? (await sshSettings(endpoint)).get('user')?.[0] }
}

/** What `host` means in the user's own configuration, if it is an alias there. */
export async function aliasOf(host: string): Promise<string | undefined> {
  const path = localPath('~/.ssh/config')
  try {
    await readFile(path)
    const [name] = (await sshSettings({ host, sshConfig: path })).get('hostname') ?? []
    return name === host.toLowerCase() ? undefined : name
  } catch {
    return undefined
  }
}

async function filled<T extends Endpoint>(endpoint: T, jumps: number): Promise<T> {
  const { host, sshConfig: path = '' } = endpoint
  const settings = await sshSettings(endpoint)
  const one = (name: string) => settings.get(name)?.find((value) => value !== 'none')
  for (const name of ['proxycommand', 'certificatefile', 'pkcs11provider', 'knownhostscommand']) {
    if (one(name) === undefined || endpoint.proxy !== undefined) continue
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot follow ${quote(path)} to ${quote(host)}: it sets ${name}, which only ssh itself can do; set transport: "openssh" in the connection`,
    )
  }
  const jump = endpoint.proxy === undefined ? one('proxyjump') : undefined
  if (jump !== undefined && jumps === 0)
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot follow ${quote(path)} to ${quote(host)}: it jumps over more than ${longestChain} hosts; look for a ProxyJump that leads back to itself`,
    )
  return {
    ...endpoint,
    host: one('hostname') ?? host,
    port: endpoint.port ?? Number(one('port') ?? 22),
    user: endpoint.user ?? one('user'),
    ...(await login(endpoint, settings)),
    ...(await trust(endpoint, settings)),
    ...(jump === undefined ? {} : { proxy: await chain(jump.split(','), path, jumps - 1) }),
  }
}

/** The last jump is next to the host; an earlier one is what it is reached through. */
async function chain(jumps: readonly string[], path: string, left: number): Promise<Endpoint> {
  const [, user, host = '', port] =
    /^(?:ssh:\/\/)?(?:(.+)@)?(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(jumps.at(-1) ?? '') ?? []
  const before = jumps.slice(0, -1)
  const endpoint = {
    host: host.replace(/^\[|\]$/g, ''),
    sshConfig: path,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
  }
  if (before.length === 0) return filled(endpoint, left)
  // The list is the whole way, as `ssh -J` has it.
  const proxy = await chain(before, path, left - 1)
  return { ...(await filled({ ...endpoint, proxy }, left)), proxy }
}

/** Any argument of the connection that says how to log in means: so, and not otherwise. */
async function login(endpoint: Endpoint, settings: SshSettings): Promise<Partial<Endpoint>> {
  const { password, privateKey, privateKeyPath, agentSocketPath } = endpoint
  if ([password, privateKey, privateKeyPath, agentSocketPath].some((value) => value !== undefined)) return {}
  const agent = settings.get('identityagent')?.[0]?.replace(/^SSH_AUTH_SOCK$/, '') || process.env['SSH_AUTH_SOCK']
  const socket: Partial<Endpoint> = agent === undefined || agent === 'none' ? {} : { agentSocketPath: localPath(agent) }
  for (const path of settings.get('identityfile') ?? []) {
    const text = await readFile(localPath(path), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    // A key that only an agent can open is in it, or of no use.
    const { default: ssh2 } = await import('ssh2')
    const isLocked = ssh2.utils.parseKey(text, endpoint.privateKeyPassword) instanceof Error
    if (isLocked && socket.agentSocketPath !== undefined) return socket
    return { privateKeyPath: path, ...(settings.get('identitiesonly')?.[0] === 'yes' ? {} : socket) }
  }
  return socket
}

async function trust(endpoint: Endpoint, settings: SshSettings): Promise<Partial<Endpoint>> {
  const { hostKey, knownHosts, insecureIgnoreHostKey } = endpoint
  if (hostKey !== undefined || knownHosts !== undefined || insecureIgnoreHostKey) return {}
  const paths = ['userknownhostsfile', 'globalknownhostsfile'].flatMap(
    (name) => settings.get(name)?.[0]?.split(' ') ?? [],
  )
  const texts = await Promise.all(paths.map((path) => readFile(localPath(path), 'utf8').catch(absent)))
  return { knownHosts: `${texts.join('\n')}\n`, hostKeyAlias: settings.get('hostkeyalias')?.[0] }
}

/** Of several files that may be there, one that is there and cannot be read must not be taken for one that is not. */
function absent(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return ''
  throw new ProviderError('BAD_INPUT', `Cannot read known hosts: ${printable(messageOf(error))}`)
}
