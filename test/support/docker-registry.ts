import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

export interface RealRegistry {
  readonly host: string
  /** Of the authority that signed its certificate. */
  readonly caFile?: string
  close(): Promise<void>
}

/** Debian's docker-registry on a free loopback port, with its data below `folder`. */
export async function startDockerRegistry(folder: string, options: { tls?: boolean } = {}): Promise<RealRegistry> {
  mkdirSync(folder, { recursive: true })
  const tls = options.tls ? makeCertificate(folder) : undefined
  const config = {
    version: '0.1',
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') } },
    http: { addr: '127.0.0.1:0', ...(tls ? { tls: { certificate: tls.certificate, key: tls.key } } : {}) },
  }
  // JSON is YAML.
  writeFileSync(join(folder, 'config.yml'), JSON.stringify(config))
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none' },
  })
  const ended = once(child, 'exit')
  process.once('exit', () => child.kill('SIGKILL'))
  let said = ''
  for await (const line of createInterface({ input: child.stderr })) {
    said += `${line}\n`
    const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1]
    if (host === undefined) continue
    child.stderr.resume()
    const close = async () => {
      child.kill('SIGKILL')
      await ended
    }
    return { host, ...(tls ? { caFile: tls.authority } : {}), close }
  }
  throw new Error(`docker-registry ended:\n${said}`)
}

function makeCertificate(folder: string) {
  const at = (name: string) => join(folder, name)
  const openssl = (...words: string[]) => {
    const { status, stderr } = spawnSync('openssl', words, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl ${words.join(' ')}: ${stderr}`)
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const authority = ['-subj', '/CN=test authority', '-days', '2', '-keyout', at('ca.key'), '-out', at('ca.crt')]
  openssl('req', '-x509', ...key, ...authority)
  openssl('req', ...key, '-subj', '/CN=registry', '-keyout', at('tls.key'), '-out', at('tls.csr'))
  writeFileSync(at('san'), 'subjectAltName=IP:127.0.0.1\n')
  const signing = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', at('san')]
  openssl('x509', '-req', '-in', at('tls.csr'), ...signing, '-days', '2', '-out', at('tls.crt'))
  return { certificate: at('tls.crt'), key: at('tls.key'), authority: at('ca.crt') }
}

/** Runs skopeo, beside this process, which may be the registry it talks to; its caches stay in `folder`. */
export async function skopeo(folder: string, ...words: readonly string[]): Promise<void> {
  const env = { PATH: process.env['PATH'], HOME: folder }
  await promisify(execFile)('skopeo', ['--insecure-policy', ...words], { env })
}
