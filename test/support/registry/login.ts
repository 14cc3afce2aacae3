import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bodyOf, refuse } from './exchange.ts'

export interface Login {
  /** Bearer: with a token server of its own (distribution's token authentication). */
  readonly kind: 'basic' | 'bearer'
  readonly accounts: Readonly<Record<string, string>>
  /** What OAuth2 refresh tokens stand for whom; bearer only. */
  readonly identityTokens?: Readonly<Record<string, string>>
  /** Whether anybody may pull. */
  readonly public?: boolean
}

interface Access {
  readonly repository: string
  readonly actions: readonly string[]
}

/** Who may do what; the token server is {@link serve}. */
export class Door {
  private readonly tokens = new Map<string, readonly Access[]>()
  private readonly login: Login
  constructor(login: Login) {
    this.login = login
  }

  /** No token that was given out so far is good any more. */
  expireTokens(): void {
    this.tokens.clear()
  }

  /** Whether it may pass; if not, it was answered. */
  admits(
    request: IncomingMessage,
    answer: ServerResponse,
    asked: { repository: string | undefined; realm: string },
  ): boolean {
    const { repository, realm } = asked
    const action = request.method === 'GET' || request.method === 'HEAD' ? 'pull' : 'push'
    if (this.login.kind === 'basic') {
      if (this.login.public && action === 'pull' && repository !== undefined) return true
      if (this.account(request.headers.authorization) !== undefined) return true
      refuse(answer, 401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="test"' })
      return false
    }
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const given = this.tokens.get(token ?? '')
    const allows = (one: Access) => one.repository === repository && one.actions.includes(action)
    if (given && (repository === undefined || given.some(allows))) return true
    const scope =
      repository === undefined ? '' : `,scope="repository:${repository}:${action === 'pull' ? 'pull' : 'pull,push'}"`
    const error = token === undefined ? '' : `,error="${given ? 'insufficient_scope' : 'invalid_token'}"`
    refuse(answer, 401, 'UNAUTHORIZED', {
      'www-authenticate': `Bearer realm="${realm}",service="test"${scope}${error}`,
    })
    return false
  }

  /** The token server: GET with Basic, or POST of an OAuth2 form. */
  async serve(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://tokens')
    const form = request.method === 'POST' ? new URLSearchParams((await bodyOf(request)).toString()) : undefined
    const authorization = request.headers.authorization
    const account = form ? this.accountOf(form) : this.account(authorization)
    if (account === undefined && (form || authorization)) return refuse(answer, 401, 'UNAUTHORIZED')
    const scopes = (form ?? url.searchParams).getAll('scope').flatMap((scope) => scope.split(' '))
    const allowed = account !== undefined ? ['pull', 'push', '*'] : this.login.public ? ['pull'] : []
    const token = randomUUID()
    this.tokens.set(
      token,
      scopes.flatMap((scope) => {
        const [, repository = '', actions = ''] = /^repository:(.+):([a-z,*]*)$/.exec(scope) ?? []
        return [{ repository, actions: actions.split(',').filter((action) => allowed.includes(action)) }]
      }),
    )
    answer.writeHead(200, { 'content-type': 'application/json' })
    answer.end(JSON.stringify({ token, access_token: token, expires_in: 300, issued_at: new Date().toISOString() }))
  }

  private account(authorization: string | undefined): string | undefined {
    const [, encoded = ''] = /^Basic (.+)$/.exec(authorization ?? '') ?? []
    const [, name = '', password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? []
    return password !== undefined && this.login.accounts[name] === password ? name : undefined
  }

  private accountOf(form: URLSearchParams): string | undefined {
    if (form.get('grant_type') === 'refresh_token') return this.login.identityTokens?.[form.get('refresh_token') ?? '']
    const name = form.get('username') ?? ''
    return this.login.accounts[name] === form.get('password') ? name : undefined
  }
}
