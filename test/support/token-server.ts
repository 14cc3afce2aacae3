import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Certificate } from './certificate.ts'
import { listen, type Recorded } from './registry/listen.ts'

export interface TokenServer {
  readonly realm: string
  readonly records: Recorded[]
  close(): Promise<void>
}

/**
 * A token server for distribution's registries: tokens to one account only, signed with ES256, the certificate in
 * them.
 *
 * @param authorization the Basic header that it expects
 */
export async function startTokenServer(
  names: { readonly issuer: string; readonly service: string },
  certificate: Certificate,
  authorization: string,
): Promise<TokenServer> {
  const key = createPrivateKey(readFileSync(certificate.key))
  const x5c = [new X509Certificate(readFileSync(certificate.certificate)).raw.toString('base64')]
  const records: Recorded[] = []
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const serve = (request: IncomingMessage, answer: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://tokens')
    if (request.headers.authorization !== authorization) return void answer.writeHead(401).end()
    const access = url.searchParams.getAll('scope').map((scope) => {
      const [type = '', name = '', actions = ''] = scope.split(':')
      return { type, name, actions: actions.split(',') }
    })
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: names.issuer,
      sub: 'test',
      aud: names.service,
      iat: now,
      nbf: now - 10,
      exp: now + 300,
      jti: randomUUID(),
      access,
    }
    const text = `${encode({ typ: 'JWT', alg: 'ES256', x5c })}.${encode(claims)}`
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
    answer.writeHead(200, { 'content-type': 'application/json' })
    answer.end(JSON.stringify({ token: `${text}.${signature}`, expires_in: 300 }))
  }
  const record = ({ method = '', url = '', headers, httpVersion }: IncomingMessage) =>
    void records.push({ server: 'tokens', method, url, headers, httpVersion })
  const { origin, close } = await listen(serve, { record })
  return { realm: `${origin}/token`, records, close }
}
