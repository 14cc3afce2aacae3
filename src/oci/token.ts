import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { z } from 'zod'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { readBody } from './body.ts'
import { parseChallenges } from './challenge.ts'
import type { Client } from './client.ts'
import { reasonIn, refused } from './failure.ts'

const tokenSchema = z.object({
  token: z.string().max(65_536).nullish(),
  access_token: z.string().max(65_536).nullish(),
})

const maxToken = 64 * 1024

export interface TokenOptions {
  readonly client: Client
  /** `https://ghcr.io`. */
  readonly registry: URL
  readonly repository: string
  /** For messages. */
  readonly name: string
  readonly signal?: AbortSignal | undefined
}

/**
 * The token that public registries give to anybody (distribution's token authentication), or `undefined` when the
 * registry asks for another kind of login.
 *
 * @param header WWW-Authenticate of the answer that refused
 */
export async function anonymousToken(
  header: string | string[] | undefined,
  options: TokenOptions,
): Promise<string | undefined> {
  const bearer = parseChallenges(header).find(({ scheme }) => scheme === 'bearer')?.parameters
  if (bearer === undefined) return undefined
  const realm = bearer['realm'] ?? ''
  if (!URL.canParse(realm)) throw refuseRealm(options.name, realm, 'is no URL')
  const url = new URL(realm)
  if (bearer['service'] !== undefined) url.searchParams.set('service', bearer['service'])
  url.searchParams.set('scope', `repository:${options.repository}:pull`)
  const guard = (one: URL) => checkRealm(one, options)
  const answer = await options.client.send(url, { signal: options.signal, guard })
  const body = await readBody(answer.body, maxToken, options.name)
  if (answer.statusCode !== 200)
    throw refused(options.name, `a token of ${url.host}`, { status: answer.statusCode, reason: reasonIn(body) })
  return parseToken(body, options.name)
}

function parseToken(body: Uint8Array, name: string): string {
  try {
    const { token, access_token: access } = tokenSchema.parse(JSON.parse(new TextDecoder().decode(body)))
    const found = token || access
    // It goes into a header.
    if (found && /^[\x21-\x7e]+$/.test(found)) return found
  } catch {
    // Said below.
  }
  throw new ProviderError(
    'LOGIN_REFUSED',
    `Cannot read ${name}: its token service answers without a token; run it again later`,
  )
}

/**
 * A registry could name any URL that we can reach and it cannot (go-containerregistry #2258): https only, unless the
 * registry itself is plain HTTP, and no address inside our network, unless the registry has that address.
 */
function checkRealm(url: URL, { registry, name }: TokenOptions): void {
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && registry.protocol === 'http:'))
    throw refuseRealm(name, url.origin, 'is not https')
  if (isInside(url.hostname) && url.hostname !== registry.hostname)
    throw refuseRealm(name, url.origin, 'is an address inside this network')
}

const inside = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  inside.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const)
  inside.addSubnet(network, prefix, 'ipv6')

function isInside(hostname: string): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, '$1')
  if (isIPv4(address)) return inside.check(address, 'ipv4')
  if (isIPv6(address)) return inside.check(address, 'ipv6')
  return address === 'localhost' || address.endsWith('.localhost')
}

function refuseRealm(name: string, realm: string, why: string): ProviderError {
  return new ProviderError(
    'LOGIN_REFUSED',
    `Cannot read ${name}: the registry sends us for a token to ${quote(realm)}, which ${why}; ask who runs it`,
  )
}
