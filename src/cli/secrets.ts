import type { Connection } from '../host/connection.ts'
import { secretArguments } from '../model/secret.ts'

/** One secret of a connection. */
export interface Secret {
  /** What a stack's configuration calls it: `password`; `proxyPassword`, that of the host to jump through. */
  readonly key: string
  readonly value: string
}

/** The connection with something else in place of each secret, its proxies' too. */
export function withoutSecrets(endpoint: Connection, stand: (secret: Secret) => unknown, before = ''): object {
  const replaced = secretArguments.flatMap((leaf) => {
    const value = endpoint[leaf]
    return value === undefined ? [] : [[leaf, stand({ key: keyOf(before, leaf), value })]]
  })
  const { proxy } = endpoint
  return {
    ...endpoint,
    ...Object.fromEntries(replaced),
    ...(proxy ? { proxy: withoutSecrets(proxy, stand, keyOf(before, 'proxy')) } : {}),
  }
}

/** The secrets that a connection holds. */
export function secretsOf(endpoint: Connection): Secret[] {
  const secrets: Secret[] = []
  withoutSecrets(endpoint, (secret) => secrets.push(secret))
  return secrets
}

function keyOf(before: string, name: string): string {
  return before === '' ? name : `${before}${name[0]?.toUpperCase()}${name.slice(1)}`
}
