import { readFileSync } from 'node:fs'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici'
import { digestOf } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { proxiesOf } from './proxy.ts'
import type { RegistrySetting } from './settings.ts'

export interface AgentOptions {
  readonly setting: Pick<RegistrySetting, 'caFile' | 'certFile' | 'keyFile'>
  /** Milliseconds without a byte. */
  readonly stall: number
  readonly env: NodeJS.ProcessEnv
}

/**
 * undici's 256 KiB a stream give 5 MB/s at 40 ms of round trip where HTTP/1.1 has 60 (measured); these give 50.
 * They bound what waits in memory for a slow reader.
 */
const h2Options = { settings: { initialWindowSize: 4 * 1024 ** 2 }, connectionWindowSize: 16 * 1024 ** 2 }

const agents = new Map<string, Dispatcher>()

/** Connections are shared by all that have the same settings, and by no others. */
export function agentFor({ setting, stall, env }: AgentOptions): Dispatcher {
  const pem = {
    ca: readPem('caFile', setting.caFile),
    cert: readPem('certFile', setting.certFile),
    key: readPem('keyFile', setting.keyFile),
  }
  const proxies = proxiesOf(env)
  // By content, because files are renewed; hashed, because a key is a secret.
  const key = digestOf(JSON.stringify([pem, stall, proxies]))
  const found = agents.get(key)
  if (found) return found
  const tls = { timeout: stall, ...contextOf(pem) }
  const timeouts = { headersTimeout: stall, bodyTimeout: stall }
  const agent = new EnvHttpProxyAgent({
    ...proxies,
    ...timeouts,
    h2Options,
    connect: tls,
    requestTls: tls,
    // The client's certificate is for the registry, and not for a proxy on the way.
    proxyTls: { timeout: stall, ...contextOf({ ca: pem.ca }) },
    clientFactory: (origin, options) => new Pool(origin, { ...options, ...timeouts }),
  })
  agents.set(key, agent)
  return agent
}

interface Pem {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** The system's authorities stay trusted: what a registry redirects to may have a public certificate. */
function contextOf({ ca, cert, key }: Pem): { secureContext?: SecureContext } {
  if (ca === undefined && cert === undefined) return {}
  try {
    return {
      secureContext: createSecureContext({
        ...(ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] }),
        ...(cert === undefined ? {} : { cert, key }),
      }),
    }
  } catch (error) {
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot use the certFile and keyFile of postgres-oci:registries: ${printable(messageOf(error))}; they must be one certificate and its key, unencrypted PEM`,
    )
  }
}

function readPem(what: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot read the ${what} ${quote(path)} of postgres-oci:registries: ${printable(messageOf(error))}; correct the path`,
    )
  }
}
