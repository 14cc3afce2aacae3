import { setTimeout as delay } from 'node:timers/promises'
import type { ClientChannel } from 'ssh2'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { collect, type Running } from './collect.ts'
import { type Connection, endpointName } from './connection.ts'
import { type Dialled, type DialOptions, dial } from './dial.ts'
import type { Transport } from './transport.ts'

// sshd's default MaxSessions is 10 a connection; two are left for whoever shares the account.
const maxChannels = 8

/**
 * Opens one SSH connection, to be shared by everything that works on the host. When it is lost, the commands on it
 * end without a status, and the next command makes a new one: whether the lost ones did their work is asked again by
 * a probe, never assumed.
 *
 * @throws ProviderError HOST_KEY_REFUSED with the line to paste, HOST_UNREACHABLE, LOGIN_REFUSED, BAD_INPUT
 */
export async function connectSsh(connection: Connection, options: DialOptions = {}): Promise<Transport> {
  const name = endpointName(connection)
  const channels = gate(maxChannels)
  let closed = false
  let current: Promise<Dialled> | undefined
  const connected = (): Promise<Dialled> => {
    if (current) return current
    const dialling = dial(connection, options)
    current = dialling
    const forget = () => {
      if (current === dialling) current = undefined
    }
    dialling.then(({ lost }) => lost.then(forget), forget)
    return dialling
  }
  await connected()
  return {
    name,
    exec: (command, exec = {}) =>
      channels(async () => {
        if (closed) throw new TypeError(`Cannot run a command on ${name}: its connection was closed`)
        const dialled = await connected()
        const started = await openChannel(dialled, command, name)
        return collect(running(started, { name, lost: dialled.lost }), exec)
      }),
    close: async () => {
      closed = true
      const open = await current?.catch(() => undefined)
      if (open === undefined) return
      open.client.end()
      // A host that does not answer would keep this process alive.
      setTimeout(() => open.client.destroy(), 2000).unref()
      await Promise.race([open.lost, new Promise((resolve) => setTimeout(resolve, 2000).unref())])
    },
  }
}

const openTimeout = 30_000
const openAttempts = 8

/**
 * A host that has no channel left says so before it does anything: another connection of the account may hold them,
 * or sshd may not have noticed yet that one of ours has ended. So that is tried again for some seconds.
 */
async function openChannel(dialled: Dialled, command: string, name: string): Promise<Started> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startCommand(dialled, command)
    } catch (error) {
      if (attempt < openAttempts && /open fail/i.test(messageOf(error))) {
        await delay(50 * 2 ** attempt)
        continue
      }
      throw new ProviderError(
        'HOST_UNREACHABLE',
        `Cannot work on ${name}: ${printable(messageOf(error))}; nothing was done there, run it again`,
        { cause: error },
      )
    }
  }
}

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

/** Runs at most `limit` tasks at a time, in the order they came. */
function gate(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (task) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
    else running += 1
    try {
      return await task()
    } finally {
      // A slot goes from hand to hand, so nobody who comes in between can take one more.
      const next = waiting.shift()
      if (next) next()
      else running -= 1
    }
  }
}
