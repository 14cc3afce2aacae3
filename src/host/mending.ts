import { setTimeout as delay } from 'node:timers/promises'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { channelGate } from './channels.ts'
import { collect, type Running } from './collect.ts'
import type { Transport } from './transport.ts'

/** One login on a host. */
export interface Line {
  /** Resolves with why, when the connection has ended; never rejects. */
  readonly lost: Promise<string>
  /**
   * Begins a command.
   *
   * @throws an error when it was not begun: nothing was done, and nothing of its stdin was sent. One that
   * {@link isBusy} knows means that the host has no channel left
   */
  start(command: string): Promise<Running>
  /** Resolves when the connection is gone, or does not answer. */
  end(): Promise<void>
}

// sshd's default MaxSessions is 10 a connection; two are left for whoever shares the account.
const maxChannels = 8
const openAttempts = 8

/**
 * One connection, shared by everything that works on the host. When it is lost, the commands on it end without a
 * status, and the next command makes a new one: whether the lost ones did their work is asked again by a probe, never
 * assumed.
 *
 * @throws what `dial` throws, the first time
 */
export async function mendingTransport(name: string, dial: () => Promise<Line>): Promise<Transport> {
  const channels = channelGate(maxChannels)
  let closed = false
  let current: Promise<Line> | undefined
  const connected = (): Promise<Line> => {
    if (current) return current
    const dialling = dial()
    current = dialling
    const forget = () => {
      if (current === dialling) current = undefined
    }
    dialling.then(({ lost }) => lost.then(forget), forget)
    return dialling
  }
  /**
   * A host that has no channel left says so before it does anything: another connection of the account may hold them,
   * or sshd may not have noticed yet that one of ours has ended. So that is tried again for some seconds.
   */
  const begin = async (command: string): Promise<Running> => {
    for (let attempt = 1; ; ) {
      const line = await connected()
      try {
        return await line.start(command)
      } catch (error) {
        if (isBusy(error)) {
          if (await channels.refused()) continue
          attempt += 1
          if (attempt <= openAttempts) {
            await delay(50 * 2 ** attempt)
            continue
          }
        }
        throw new ProviderError(
          'HOST_UNREACHABLE',
          `Cannot work on ${name}: ${printable(messageOf(error))}; nothing was done there, run it again`,
          { cause: error },
        )
      }
    }
  }
  await connected()
  return {
    name,
    exec: (command, options = {}) =>
      channels.run(async () => {
        if (closed) throw new TypeError(`Cannot run a command on ${name}: its connection was closed`)
        return collect(await begin(command), options)
      }),
    close: async () => {
      closed = true
      await (await current?.catch(() => undefined))?.end()
    },
  }
}

function isBusy(error: unknown): boolean {
  return /open fail|open refused/i.test(messageOf(error))
}
