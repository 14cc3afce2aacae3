import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import type { ServerHostKeyAlgorithm } from 'ssh2'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { type Endpoint, endpointName } from './connection.ts'
import { hostKeyLine, judgeHostKey, type KnownKey, parseHostKeys, parseKnownHosts } from './known-hosts.ts'

/** Decides on the key that a host shows; `refusal` tells afterwards why a connection was not made. */
export interface HostKeyCheck {
  /** Types of keys we know come first, or a host that has several would show one that we do not know. */
  readonly algorithms: ServerHostKeyAlgorithm[]
  accepts(key: Buffer): boolean
  refusal(): ProviderError | undefined
}

export async function hostKeyCheck(endpoint: Endpoint, argument: 'connection' | 'proxy'): Promise<HostKeyCheck> {
  const known = [...parseHostKeys(endpoint.hostKey ?? ''), ...(await knownHosts(endpoint))]
  let refused: ProviderError | undefined
  return {
    algorithms: preferred(known),
    accepts: (key) => {
      const verdict = judgeHostKey(known, key)
      if (verdict === 'known' || (endpoint.insecureIgnoreHostKey && verdict !== 'revoked')) return true
      const from = endpoint.hostKey === undefined && endpoint.knownHosts !== undefined ? 'knownHosts' : 'hostKey'
      const why = {
        unknown: `its key is unknown. If it is the right host, add to the ${argument}`,
        changed: `its key is not the one in ${argument}.${from}: the host was reinstalled, or someone is in between. If you know that it was reinstalled, put there`,
        revoked: `its key is marked @revoked in ${argument}.knownHosts. Give the host a new key, then put its line there; the refused one is`,
      }[verdict]
      refused = new ProviderError(
        'HOST_KEY_REFUSED',
        `Cannot trust ${endpointName(endpoint)}: ${why}\n  hostKey: "${printable(hostKeyLine(key), 2000)}"`,
      )
      return false
    },
    refusal: () => refused,
  }
}

async function knownHosts({ knownHosts, host, port }: Endpoint): Promise<KnownKey[]> {
  if (knownHosts === undefined) return []
  // A line of known_hosts has three words, a path of one line is a path.
  if (/\n|\S\s+\S+\s+\S/.test(knownHosts)) return parseKnownHosts(knownHosts, host, port)
  const path = knownHosts.replace(/^~(?=\/)/, homedir())
  try {
    return parseKnownHosts(await readFile(path, 'utf8'), host, port)
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
