import { X509Certificate } from 'node:crypto'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import type { Dispatcher } from 'undici'
import { digestOf } from '../model/digest.ts'
import { messageOf } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import type { Certificates } from './certificates.ts'
import { badFile, readConfigFile } from './config-file.ts'
import { proxiesOf } from './proxy.ts'

export interface AgentOptions {
  readonly certificates: Certificates
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
export async function agentFor({ certificates, stall, env }: AgentOptions): Promise<Dispatcher> {
  // Most runs ask no registry, and loading it takes longer than all they do.
  const { EnvHttpProxyAgent, Pool } = await import('undici')
  const { caFiles, certFile, keyFile } = certificates
  const pem = {
    ca: caFiles?.map(readAuthorities),
    cert: certFile === undefined ? undefined : readPem(certFile),
    key: keyFile === undefined ? undefined : readPem(keyFile),
  }
  const proxies = proxiesOf(env)
  // By content, because files are renewed; hashed, because a key is a secret.
  const key = digestOf(JSON.stringify([pem, stall, proxies]))
  const found = agents.get(key)
  if (found) return found
  const tls = { timeout: stall, ...contextOf(pem, certFile) }
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
  readonly ca?: readonly string[] | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/**
 * The system's authorities stay trusted: what a registry redirects to may have a public certificate.
 *
 * @param path of our certificate; for messages
 */
function contextOf({ ca, cert, key }: Pem, path = ''): { secureContext?: SecureContext } {
  if (ca === undefined && cert === undefined) return {}
  try {
    return {
      secureContext: createSecureContext({
        ...(ca === undefined ? {} : { ca: [...getCACertificates('default'), ...ca] }),
        ...(cert === undefined ? {} : { cert, key }),
      }),
    }
  } catch (error) {
    throw badFile(
      path,
      `it and its key are not one certificate and its key, in unencrypted PEM (${printable(messageOf(error))})`,
    )
  }
}

function readPem(path: string): string {
  const text = readConfigFile(path)
  if (text === undefined) throw badFile(path, 'there is no such file, and registries are to be reached with it')
  return text
}

/** What is no certificate would be passed over in silence, and the registry blamed for its own. */
function readAuthorities(path: string): string {
  const text = readPem(path)
  try {
    new X509Certificate(text)
  } catch {
    throw badFile(path, 'it is no certificate in PEM')
  }
  return text
}
