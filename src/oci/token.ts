import { z } from 'zod'
import { digestOf } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { basic } from './basic.ts'
import { readBody } from './body.ts'
import type { Answer, Client } from './client.ts'
import type { Credential } from './credential.ts'
import { checkRealm } from './realm.ts'
import { readRefusal, tokenRefused } from './refusal.ts'
import { sharedWork } from './shared.ts'

const tokenSchema = z.object({
  token: z.string().max(65_536).nullish(),
  access_token: z.string().max(65_536).nullish(),
  expires_in: z.number().nullish().catch(undefined),
  issued_at: z.string().max(64).nullish().catch(undefined),
})

const maxToken = 64 * 1024
/** What a token without expiry lives, and the least that one is kept (distribution, "Token Response Fields"). */
const leastLife = 60
const clientId = 'pulumi-postgres-oci'

/** What a token is asked for. */
export interface Grant {
  readonly realm: URL
  readonly service: string | undefined
  /** Some services look at the first only. */
  readonly scopes: readonly string[]
  readonly credential: Credential | undefined
  readonly registry: URL
}

interface Token {
  readonly text: string
  readonly until: number
}

export interface TokenOptions {
  readonly client: Client
  /** For messages. */
  readonly name: string
  readonly signal?: AbortSignal | undefined
  /** The token that the registry did not take, if it was sent one. */
  readonly refused?: string | undefined
}

/** Of all sources of this process, by grant. */
const tokens = new Map<string, Token>()
const share = sharedWork<Token>()

/** A token for a grant (distribution's token authentication): one that is known, unless it was refused, or a new one. */
export async function tokenFor(grant: Grant, options: TokenOptions): Promise<{ text: string; isNew: boolean }> {
  const { credential, registry, ...rest } = grant
  // Hashed, because a key must be no secret.
  const key = digestOf(JSON.stringify([rest, registry.origin, { ...credential, source: undefined }]))
  const known = tokens.get(key)
  if (known && known.text !== options.refused && Date.now() < known.until) return { text: known.text, isNew: false }
  const fetched = await share(key, (signal) => fetchToken(grant, { ...options, signal }), options.signal)
  for (const [other, { until }] of tokens) if (until <= Date.now()) tokens.delete(other)
  tokens.set(key, fetched)
  return { text: fetched.text, isNew: true }
}

async function fetchToken(grant: Grant, { client, name, signal }: TokenOptions): Promise<Token> {
  const asked = Date.now()
  const guard = (url: URL) => checkRealm(url, { registry: grant.registry, name })
  const send = (how: Parameters<Client['send']>[1]) =>
    client.send(how.body ? grant.realm : urlOf(grant), { ...how, signal, guard })
  const { credential } = grant
  let answer: Answer | undefined
  if (credential && 'identityToken' in credential) {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    answer = await send({ method: 'POST', headers, body: formOf(grant, credential.identityToken) })
    // Not every service knows OAuth2 (distribution, "Using POST"); those give tokens by GET.
    if (answer.statusCode === 404 || answer.statusCode === 405) {
      await answer.body.dump()
      answer = undefined
    }
  }
  answer ??= await send(credential && 'password' in credential ? { authorization: basic(credential) } : {})
  if (answer.statusCode === 200) return parseToken(await readBody(answer, maxToken, name), asked, name)
  const login = { isSent: credential !== undefined, source: credential?.source }
  throw tokenRefused(await readRefusal(answer, name), { name, registry: grant.registry, login })
}

function urlOf({ realm, service, scopes, credential }: Grant): URL {
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  if (credential && 'username' in credential) url.searchParams.set('account', credential.username)
  return url
}

function formOf({ service, scopes }: Grant, identityToken: string): string {
  return new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: identityToken,
    ...(service === undefined ? {} : { service }),
    scope: scopes.join(' '),
    client_id: clientId,
  }).toString()
}

function parseToken(body: Uint8Array, asked: number, name: string): Token {
  try {
    const { token, access_token: access, ...life } = tokenSchema.parse(JSON.parse(new TextDecoder().decode(body)))
    const text = token || access
    // It goes into a header.
    if (text && /^[\x21-\x7e]+$/.test(text)) return { text, until: endOf(life, asked) }
  } catch {
    // Said below.
  }
  throw new ProviderError(
    'REGISTRY_REFUSED',
    `Cannot read ${name}: its token service answers without a token; run it again later`,
  )
}

/** Counted from when it was issued, where that is said and past; clocks differ, so never less than a minute from now. */
function endOf(life: Pick<z.infer<typeof tokenSchema>, 'expires_in' | 'issued_at'>, asked: number): number {
  const from = Math.min(Date.parse(life.issued_at ?? '') || asked, asked)
  return Math.max(from + (life.expires_in ?? leastLife) * 1000, asked + leastLife * 1000)
}
