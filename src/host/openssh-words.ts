import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import type { Endpoint } from './connection.ts'
import { localPath } from './local-path.ts'
import { shellQuote } from './shell.ts'
import type { Keepalive } from './silence.ts'

/** What was written to disk for one hop, because ssh takes it by path only. */
interface HopFiles {
  readonly privateKey?: string | undefined
  /** Keys that the connection trusts; without it, the user's own configuration decides. */
  readonly knownHosts?: string | undefined
  /** Prints the trusted fingerprints' keys, and notes which key was shown: ssh's KnownHostsCommand. */
  readonly keysScript?: string | undefined
}

export interface Hop {
  readonly endpoint: Endpoint
  readonly files: HopFiles
}

export interface SshSettings {
  readonly timeout: number
  readonly keepalive: Keepalive
}

/**
 * The words after `ssh` for one connection, from the last hop to the first: each is the ProxyCommand of the one before,
 * because `-J` cannot say which key and which known_hosts belong to which hop.
 */
export function sshWords(hops: readonly Hop[], settings: SshSettings, own: readonly string[]): string[] {
  const [hop, ...others] = hops
  if (hop === undefined) throw new TypeError('Cannot connect over no hop')
  const { endpoint, files } = hop
  const { host, port, user, insecureIgnoreHostKey } = endpoint
  const key = files.privateKey ?? endpoint.privateKeyPath
  const isOurs = files.knownHosts !== undefined
  const options = {
    BatchMode: 'yes',
    LogLevel: 'ERROR',
    ConnectTimeout: String(Math.ceil(settings.timeout / 1000)),
    ServerAliveInterval: String(Math.ceil(settings.keepalive.milliseconds / 1000)),
    ServerAliveCountMax: String(settings.keepalive.count),
    // What a user's configuration may ask of a terminal, and what would not be ours alone.
    RequestTTY: 'no',
    RemoteCommand: 'none',
    ForwardAgent: 'no',
    ForwardX11: 'no',
    Tunnel: 'no',
    UpdateHostKeys: 'no',
    ...(key === undefined || endpoint.agentSocketPath !== undefined ? {} : { IdentitiesOnly: 'yes' }),
    ...(endpoint.agentSocketPath === undefined ? {} : { IdentityAgent: word(endpoint.agentSocketPath) }),
    ...(isOurs
      ? {
          UserKnownHostsFile: word(files.knownHosts),
          GlobalKnownHostsFile: '/dev/null',
          VerifyHostKeyDNS: 'no',
          // `no` would take revoked keys, too.
          StrictHostKeyChecking: insecureIgnoreHostKey ? 'accept-new' : 'yes',
        }
      : {}),
    ...(files.keysScript === undefined ? {} : { KnownHostsCommand: `/bin/sh ${word(files.keysScript)} %I %t %K %f` }),
    ...(others.length === 0 ? {} : { ProxyCommand: through(sshWords(others, settings, ['-o', 'ControlPath=none'])) }),
  }
  return [
    ...(endpoint.sshConfig === undefined ? [] : ['-F', localPath(endpoint.sshConfig)]),
    ...own,
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...(key === undefined ? [] : ['-i', percent(key)]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(user === undefined ? [] : ['-l', user]),
    '--',
    host,
  ]
}

/** Only the ssh that runs this knows where it wants to go; every other `%` is for the one that is run. */
function through(words: readonly string[]): string {
  return `ssh -W '[%h]:%p' ${shellQuote(words).replaceAll('%', '%%')}`
}

/** A path as a word of ssh_config(5), whose `%` are tokens. */
function word(path: string): string {
  return `"${percent(path).replace(/["\\]/g, '\\$&')}"`
}

function percent(path: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  if (/[\u0000-\u001f]/.test(path))
    throw new ProviderError('BAD_INPUT', `Cannot use ${quote(path)}: a path for ssh holds no control characters`)
  return path.replaceAll('%', '%%')
}
