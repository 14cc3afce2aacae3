import { setTimeout as delay } from 'node:timers/promises'
import { ProviderError } from '../model/error.ts'
import type { Endpoint } from './connection.ts'
import { isTurnedAway } from './refusal.ts'

/** The longest that all attempts to reach a host may take. */
const longestDial = 600_000

/** Failed attempts, where the connection does not say: hosts that have too many logins at once are asked more often. */
const usualLimit = 3
const turnedAwayLimit = 6

/**
 * Tries to log in as often as `dialErrorLimit` allows. Only what may pass by itself is tried again: a refused key or
 * password would lock accounts.
 */
export async function retried<T>(
  endpoint: Endpoint,
  attempt: () => Promise<T>,
  { signal }: { readonly signal?: AbortSignal },
): Promise<T> {
  const last = Date.now() + longestDial
  for (let errors = 1, pause = 500; ; errors += 1, pause = Math.min(pause * 2, 10_000)) {
    try {
      return await attempt()
    } catch (error) {
      const mayPass = error instanceof ProviderError && error.code === 'HOST_UNREACHABLE'
      const limit = endpoint.dialErrorLimit ?? (mayPass && isTurnedAway(error.cause) ? turnedAwayLimit : usualLimit)
      if (!mayPass || (limit >= 0 && errors >= limit) || Date.now() + pause > last) throw error
      // Who was turned away together must not come back together.
      await delay(pause * (0.5 + Math.random()), undefined, signal ? { signal } : {}).catch(() =>
        signal?.throwIfAborted(),
      )
    }
  }
}

/** How many milliseconds one attempt may take, login included. */
export function dialTimeout({ perDialTimeout = 15 }: Endpoint): number {
  return perDialTimeout === 0 ? longestDial : perDialTimeout * 1000
}
