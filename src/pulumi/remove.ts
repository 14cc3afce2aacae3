import { setTimeout as delay } from 'node:timers/promises'
import { ProviderError } from '../model/error.ts'
import { commit } from './commit.ts'
import { proveInstalled } from './installed.ts'
import { signal } from './interrupt.ts'
import type { Place } from './session.ts'

const attempts = 10
const pause = 500

/**
 * Takes one resource from the host. A state that `pulumi import` wrote does not know what belongs to what until the next
 * `up`, and a destroy then begins with all at once: a distribution lets its extensions go first, for five seconds.
 */
export async function remove(place: Place, own: { readonly name: string; readonly token: string }): Promise<void> {
  for (let count = 1; ; count += 1) {
    try {
      await commit(place, { do: 'delete', ...own }, proveInstalled)
      return
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      if (error.code === 'HOST_UNREACHABLE') {
        const hint = 'if the host is gone for good, take it out of the state with pulumi state delete'
        throw new ProviderError(error.code, `${error.message}; ${hint}`, { cause: error })
      }
      if (error.code !== 'STILL_NEEDED' || count === attempts) throw error
    }
    await delay(pause, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}
