import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { type Connection, endpointName } from './connection.ts'
import type { DialOptions } from './dial.ts'
import { mendingTransport } from './mending.ts'
import { dialOpenSsh } from './openssh.ts'
import { aliasOf, withSshConfig, withSshUser } from './ssh-config.ts'
import type { Transport } from './transport.ts'

/**
 * Opens the way to a host that its connection asks for.
 *
 * @throws ProviderError HOST_KEY_REFUSED with the line to paste, HOST_UNREACHABLE, LOGIN_REFUSED, BAD_INPUT
 */
export async function connect(connection: Connection, options: DialOptions = {}): Promise<Transport> {
  if (connection.transport === 'openssh') {
    const endpoint = await withSshUser(connection)
    return mendingTransport(endpointName(endpoint), () => dialOpenSsh(endpoint, options))
  }
  const endpoint = await withSshConfig(connection)
  // Runs that need no host, or go by ssh itself, do not wait for the library.
  const { dialSsh2 } = await import('./ssh2.ts')
  const dial = () =>
    dialSsh2(endpoint, options).catch(async (error: unknown) => {
      throw (await unknownAlias(error)) ?? error
    })
  return mendingTransport(endpointName(endpoint), dial)
}

/** A name that DNS does not know is often one that only the user's ssh knows. */
async function unknownAlias(error: unknown): Promise<ProviderError | undefined> {
  if (!(error instanceof ProviderError)) return undefined
  const { code, hostname } = (error.cause ?? {}) as { code?: string; hostname?: string }
  const alias = code === 'ENOTFOUND' && hostname !== undefined ? await aliasOf(hostname) : undefined
  if (alias === undefined) return undefined
  return new ProviderError(
    'HOST_UNREACHABLE',
    `Cannot reach ${quote(hostname ?? '')}: DNS does not know it, but ~/.ssh/config has it as an alias of ${quote(alias)}; set sshConfig: "~/.ssh/config" in the connection, or write the address there`,
    { cause: error },
  )
}
