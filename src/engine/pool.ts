import { connect } from '../host/connect.ts'
import type { Connection } from '../host/connection.ts'
import type { Transport } from '../host/transport.ts'
import { ProviderError } from '../model/error.ts'

/**
 * One connection a host and process, whoever asks; it mends itself. One that never came up is dialled by the next, unless
 * the login was refused.
 */
export function connectionPool() {
  const open = new Map<string, Promise<Transport>>()
  return (connection: Connection, options: { signal?: AbortSignal } = {}): Promise<Transport> => {
    const key = JSON.stringify(Object.entries(connection).sort())
    const opening = open.get(key) ?? connect(connection, options)
    open.set(key, opening)
    // What was refused would be refused again, and accounts are locked for that.
    opening.catch((error) => {
      if (!(error instanceof ProviderError && error.code === 'LOGIN_REFUSED')) open.delete(key)
    })
    return opening
  }
}
