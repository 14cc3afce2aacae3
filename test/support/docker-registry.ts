import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Certificate, makeCertificate } from './certificate.ts'
import { startServer } from './start-server.ts'

export interface RealRegistry {
  readonly host: string
  /** Of the authority that signed its certificate. */
  readonly caFile?: string
  close(): Promise<void>
}

export interface DistributionOptions {
  /** Debian's 2.8, or `registry`, which is 3. */
  readonly program?: 'docker-registry' | 'registry'
  /** Its storage; a folder of its own by default. */
  readonly data?: string
  /** HTTPS, and HTTP/2 with it. */
  readonly tls?: boolean
  /** Only clients with a certificate of this authority are served. */
  readonly clientAuthority?: Certificate
  /** Lines of htpasswd: Basic. */
  readonly htpasswd?: string
  /** Bearer, from this token server. */
  readonly token?: {
    readonly realm: string
    readonly service: string
    readonly issuer: string
    readonly rootcertbundle: string
  }
  /** Where blobs are to be had; it redirects there. */
  readonly storageUrl?: string
  /** A pull-through cache of this registry. */
  readonly upstream?: string
  /** A machine with a network of its own; loopback by default. */
  readonly machine?: { readonly namespace: string; readonly address: string }
}

/** distribution's registry on a free port, with its files below `folder`. */
export async function startDockerRegistry(folder: string, options: DistributionOptions = {}): Promise<RealRegistry> {
  mkdirSync(folder, { recursive: true })
  const {
    program = 'docker-registry',
    data = join(folder, 'data'),
    htpasswd,
    token,
    storageUrl,
    upstream,
    machine,
  } = options
  const tls = options.tls ? makeCertificate(folder) : undefined
  const clients = options.clientAuthority ? { clientcas: [options.clientAuthority.authority] } : {}
  if (htpasswd !== undefined) writeFileSync(join(folder, 'htpasswd'), htpasswd)
  const redirect = [{ name: 'redirect', options: { baseurl: storageUrl } }]
  const config = {
    version: '0.1',
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: data } },
    http: {
      addr: `${machine?.address ?? '127.0.0.1'}:0`,
      ...(tls ? { tls: { certificate: tls.certificate, key: tls.key, ...clients } } : {}),
    },
    ...(htpasswd === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } }),
    ...(token ? { auth: { token } } : {}),
    ...(storageUrl === undefined ? {} : { middleware: { storage: redirect } }),
    ...(upstream === undefined ? {} : { proxy: { remoteurl: upstream } }),
  }
  // JSON is YAML.
  const file = join(folder, `${program}.yml`)
  writeFileSync(file, JSON.stringify(config))
  const inside = machine ? ['ip', 'netns', 'exec', machine.namespace] : []
  const [first = program, ...words] = [...inside, program, 'serve', file]
  const { found, close } = await startServer(first, words, /listening on ([\d.]+:\d+)/)
  return { host: found, ...(tls ? { caFile: tls.authority } : {}), close }
}

/** Runs skopeo, beside this process, which may be the registry it talks to; its caches stay in `folder`. */
export async function skopeo(folder: string, ...words: readonly string[]): Promise<void> {
  const env = { PATH: process.env['PATH'], HOME: folder }
  await promisify(execFile)('skopeo', ['--insecure-policy', ...words], { env })
}
