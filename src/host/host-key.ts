import { readFile } from 'node:fs/promises'
import type { ServerHostKeyAlgorithm } from 'ssh2'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { type Endpoint, endpointName } from './connection.ts'
import {
  hostKeyLine,
  judgeHostKey,
  type KnownKey,
  parseHostKeys,
  parseKnownHosts,
  type Verdict,
} from './known-hosts.ts'
import { localPath } from './local-path.ts'

/** Decides on the key that a host shows; `refusal` tells afterwards why a connection was not made. */
export interface HostKeyCheck {
  /** Types of keys we know come first, or a host that has several would show one that we do not know. */
  readonly algorithms: ServerHostKeyAlgorithm[]
  accepts(key: Buffer): boolean
  refusal(): ProviderError | undefined
}

export async function hostKeyCheck(endpoint: Endpoint, argument: string): Promise<HostKeyCheck> {
  const known = [...parseHostKeys(endpoint.hostKey ?? ''), ...(await knownHosts(endpoint))]
  let refused: ProviderError | undefined
  return {
    algorithms: preferred(known),
    accepts: (key) => {
      const verdict = judgeHostKey(known, key)
      if (verdict === 'known' || (endpoint.insecureIgnoreHostKey && verdict !== 'revoked')) return true
      refused = hostKeyRefusal(endpoint, { argument, verdict, line: hostKeyLine(key) })
      return false
    },
    refusal: () => refused,
  }
}

/** @param about.line of the key that the host shows, where that is known */
export function hostKeyRefusal(
  endpoint: Endpoint,
  about: { readonly argument: string; readonly verdict: Exclude<Verdict, 'known'>; readonly line: string | undefined },
): ProviderError {
  const { argument, verdict, line } = about
  const list = endpoint.knownHosts === undefined ? 'known_hosts' : `${argument}.knownHosts`
  const from = endpoint.hostKey === undefined ? list : `${argument}.hostKey`
  const why = {
    unknown: `its key is unknown. If it is the right host, add to the ${argument}`,
    changed: `its key is not the one in ${from}: the host was reinstalled, or someone is in between. If you know that it was reinstalled, put ${from === 'known_hosts' ? `into the ${argument}` : 'there'}`,
    revoked: `its key is marked @revoked in ${list}. Give the host a new key, then put its line there; the refused one is`,
  }[verdict]
  return new ProviderError(
    'HOST_KEY_REFUSED',
    `Cannot trust ${endpointName(endpoint)}: ${why}\n  hostKey: "${line === undefined ? 'ssh-ed25519 AAAA…' : printable(line, 2000)}"`,
  )
}

async function knownHosts(endpoint: Endpoint): Promise<KnownKey[]> {
  return parseKnownHosts(await knownHostsText(endpoint), ...knownName(endpoint))
}

/** What known_hosts has it under: an alias stands alone, without a port. */
function knownName({ hostKeyAlias, host, port }: Endpoint): [host: string, port?: number] {
  return hostKeyAlias === undefined ? [host, port ?? 22] : [hostKeyAlias]
}

/** What is trusted by `knownHosts`, whether that is a path or the content itself. */
export async function knownHostsText({ knownHosts }: Endpoint): Promise<string> {
  if (knownHosts === undefined) return ''
  // A line of known_hosts has three words, a path of one line is a path.
  if (/\n|\S\s+\S+\s+\S/.test(knownHosts)) return knownHosts
  const path = localPath(knownHosts)
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    // Not to be able to read what is trusted must never mean to trust.
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot read knownHosts ${quote(path)}: ${printable(messageOf(error))}; give the path of a known_hosts file, or its content`,
    )
  }
}

const algorithms: ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
  'ssh-rsa',
]

function preferred(known: readonly KnownKey[]): ServerHostKeyAlgorithm[] {
  // One kind of RSA key, three ways to sign with it (RFC 8332).
  const typeOf = (algorithm: string) => (algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm)
  const isKnown = (algorithm: string) => known.some(({ type, revoked }) => !revoked && type === typeOf(algorithm))
  return [...algorithms.filter(isKnown), ...algorithms.filter((algorithm) => !isKnown(algorithm))]
}
