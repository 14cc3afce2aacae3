import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Certificate {
  /** PEM files: of a server on 127.0.0.1, or of a client. */
  readonly certificate: string
  readonly key: string
  /** Of the authority that signed it. */
  readonly authority: string
}

/** An authority in `folder`, and one certificate that it signed. */
export function makeCertificate(folder: string): Certificate {
  mkdirSync(folder, { recursive: true })
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
