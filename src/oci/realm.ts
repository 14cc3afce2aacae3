import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'

/**
 * A registry could name any URL that we can reach and it cannot (go-containerregistry #2258): https only, unless the
 * registry itself is plain HTTP, and no address inside our network, unless the registry has that address.
 *
 * @throws ProviderError REGISTRY_REFUSED
 */
export function checkRealm(url: URL, { registry, name }: { readonly registry: URL; readonly name: string }): void {
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && registry.protocol === 'http:'))
    throw refuseRealm(name, url.origin, 'is not https')
  if (isInside(url.hostname) && url.hostname !== registry.hostname)
    throw refuseRealm(name, url.origin, 'is an address inside this network')
}

/** @throws ProviderError REGISTRY_REFUSED */
export function parseRealm(realm: string, name: string): URL {
  if (URL.canParse(realm)) return new URL(realm)
  throw refuseRealm(name, realm, 'is no URL')
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
    'REGISTRY_REFUSED',
    `Cannot read ${name}: the registry sends us for a token to ${quote(realm)}, which ${why}; ask who runs it`,
  )
}
