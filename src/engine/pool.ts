import type { Connection } from '../host/connection.ts'
import { connectSsh } from '../host/ssh.ts'
import type { Transport } from '../host/transport.ts'

/** One connection a host and process, whoever asks; a connection that failed is not kept. */
export function connectionPool(connect: typeof connectSsh = connectSsh) {
  const open = new Map<string, Promise<Transport>>()
  return (connection: Connection): Promise<Transport> => {
    const key = JSON.stringify(Object.entries(connection).sort())
    const found = open.get(key)
    if (found) return found
    const opening = connect(connection)
    open.set(key, opening)
    opening.catch(() => open.delete(key))
    return opening
  }
}
