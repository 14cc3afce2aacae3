import type { ClientChannel } from 'ssh2'
import type { Running } from './collect.ts'
import { type Connection, endpointName } from './connection.ts'
import { type Dialled, type DialOptions, dial } from './dial.ts'
import type { Line } from './mending.ts'

/**
 * A connection by the ssh2 library, which needs no program on this machine.
 *
 * @throws ProviderError HOST_KEY_REFUSED with the line to paste, HOST_UNREACHABLE, LOGIN_REFUSED, BAD_INPUT
 */
export async function dialSsh2(connection: Connection, options: DialOptions): Promise<Line> {
  const name = endpointName(connection)
  const { client, lost } = await dial(connection, options)
  return {
    lost,
    start: async (command) => running(await startCommand({ client, lost }, command), { name, lost }),
    end: async () => {
      client.end()
      // A host that does not answer would keep this process alive.
      setTimeout(() => client.destroy(), 2000).unref()
      await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, 2000).unref())])
    },
  }
}

/** Of a host that lives: the question may stand behind megabytes of an upload, on a line of a megabit. */
const openTimeout = 300_000

interface Started {
  readonly channel: ClientChannel
  /** `undefined` until the host has told the status. */
  readonly code: () => number | undefined
}

function startCommand({ client, lost }: Dialled, command: string): Promise<Started> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`it starts no command in ${openTimeout / 1000} s`))
      client.destroy()
    }, openTimeout)
    const settle = (action: () => void) => {
      clearTimeout(timer)
      action()
    }
    lost.then((why) => settle(() => reject(new Error(why))))
    try {
      client.exec(command, (error, channel) => {
        if (error) return settle(() => reject(error))
        // At once: the status of a short command comes in the same packet, before any promise goes on.
        let code: number | undefined
        channel.on('error', () => {})
        channel.once('exit', (status: number | null) => {
          code = status ?? undefined
        })
        settle(() => resolve({ channel, code: () => code }))
      })
    } catch (error) {
      settle(() => reject(error))
    }
  })
}

function running({ channel, code }: Started, { name, lost }: { name: string; lost: Promise<string> }): Running {
  const closed = new Promise<{ code: number | undefined }>((resolve) =>
    channel.once('close', () => resolve({ code: code() })),
  )
  return {
    name,
    stdin: channel,
    stdout: channel,
    stderr: channel.stderr,
    // A lost connection closes its channels too, and only then is it known which of the two came first.
    ended: Promise.race([
      closed.then(async (end) =>
        end.code === undefined
          ? { ...end, ...(await Promise.race([lost.then((why) => ({ lost: why })), nextTurn()])) }
          : end,
      ),
      lost.then((why) => ({ code: code(), lost: why })),
    ]),
    stop: () => channel.close(),
  }
}

/** The error of a connection comes in the same turn as the end of its channels. */
function nextTurn(): Promise<Record<string, never>> {
  return new Promise((resolve) => setImmediate(() => resolve({})))
}
