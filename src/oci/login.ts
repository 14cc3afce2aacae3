import { basic } from './basic.ts'
import type { Challenge } from './challenge.ts'
import type { Client } from './client.ts'
import type { FindCredential } from './credential.ts'
import { parseRealm } from './realm.ts'
import type { LoginTold } from './refusal.ts'
import { sharedWork } from './shared.ts'
import { tokenFor } from './token.ts'

/** What came of a renewal: something new to send, something that others had before, or nothing better. */
type Renewal = 'new' | 'known' | 'none'

/** What one source sends as Authorization to its registry. */
export interface Login {
  /** Nothing until the registry has asked. */
  authorization(): string | undefined
  /** Answers a 401. All requests that got one at the same time share it. */
  renew(challenges: readonly Challenge[], options: RenewOptions): Promise<Renewal>
  /** For messages; nothing until the registry has asked. */
  told(): LoginTold | undefined
}

interface RenewOptions {
  /** What was sent and refused. */
  readonly used: string | undefined
  readonly signal?: AbortSignal | undefined
}

interface LoginOptions {
  readonly client: Client
  readonly registry: URL
  readonly repository: string
  readonly access: 'pull' | 'push'
  readonly name: string
  readonly credential: FindCredential | undefined
}

export function openLogin({ client, registry, repository, access, name, ...options }: LoginOptions): Login {
  const share = sharedWork<Renewal>()
  const ours = `repository:${repository}:${access === 'push' ? 'pull,push' : 'pull'}`
  let authorization: string | undefined
  let scopes: readonly string[] = [ours]
  let told: LoginTold | undefined

  const answer = async (challenges: readonly Challenge[], { used, signal }: RenewOptions): Promise<Renewal> => {
    // Looked up each time, because helpers give logins that end.
    const credential = await options.credential?.({ signal })
    const password = credential && 'password' in credential ? basic(credential) : undefined
    const isUsable = ({ scheme }: Challenge) => scheme === 'bearer' || (scheme === 'basic' && password !== undefined)
    const challenge = challenges.find(isUsable)
    told = { isSent: challenge !== undefined && credential !== undefined, source: credential?.source }
    if (challenge === undefined) return 'none'
    if (challenge.scheme === 'basic') return take(password, used)
    const { realm = '', service, error, scope } = challenge.parameters
    // What the registry misses comes first, because some services look at the first scope only (ggcr, bearer.go).
    if (error === 'insufficient_scope' && scope) scopes = [...new Set([scope, ours])]
    const grant = { realm: parseRealm(realm, name), service, scopes, credential, registry }
    const token = await tokenFor(grant, { client, name, signal, refused: used?.replace(/^Bearer /, '') })
    const taken = take(`Bearer ${token.text}`, used)
    return token.isNew ? taken : 'known'
  }

  const take = (next: string | undefined, used: string | undefined): Renewal => {
    authorization = next
    return next === used ? 'none' : 'new'
  }

  return {
    authorization: () => authorization,
    told: () => told,
    renew: async (challenges, { used, signal }) => {
      if (authorization !== used) return 'known'
      return share('', (one) => answer(challenges, { used, signal: one }), signal)
    },
  }
}
