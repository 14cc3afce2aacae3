import type { Connection } from '../host/connection.ts'
import { connectSsh } from '../host/ssh.ts'
import type { Transport } from '../host/transport.ts'
import { ProviderError } from '../model/error.ts'

/** One connection a host and process, whoever asks. One that failed, or broke later, is opened anew by the next. */
export function connectionPool(connect: typeof connectSsh = connectSsh) {
  const open = new Map<string, Promise<Transport>>()
  return (connection: Connection, options: { signal?: AbortSignal } = {}): Promise<Transport> => {
    const key = JSON.stringify(Object.entries(connection).sort())
    const found = open.get(key)
    if (found) return found
    const forget = (error: unknown): never => {
      const isBroken = !(error instanceof ProviderError) || error.code === 'HOST_UNREACHABLE'
      if (isBroken && open.get(key) === opening) open.delete(key)
      throw error
    }
    const opening = connect(connection, options).then(
      (transport): Transport => ({
        ...transport,
        exec: (command, exec) => transport.exec(command, exec).catch(forget),
      }),
    )
    open.set(key, opening)
    opening.catch(() => open.delete(key))
    return opening
  }
}
