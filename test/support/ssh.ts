import { afterAll } from 'vitest'
import { connect } from '../../src/host/connect.ts'
import type { Connection } from '../../src/host/connection.ts'
import type { Transport } from '../../src/host/transport.ts'

const ends: (() => unknown)[] = []
afterAll(async () => {
  for (const end of ends.reverse()) await end()
})

/** Something to end when the file's tests are done, the last one first. */
export function atEnd(end: () => unknown): void {
  ends.push(end)
}

export async function connected(
  connection: Connection,
  options: Parameters<typeof connect>[1] = {},
): Promise<Transport> {
  const transport = await connect(connection, options)
  atEnd(() => transport.close())
  return transport
}

export async function says(transport: Transport, command = 'echo hello'): Promise<string> {
  return (await transport.exec(command)).stdout
}

export async function refusal(connection: Connection): Promise<string> {
  return connect(connection).then(
    () => 'connected',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  )
}

/** A connection without some of its arguments. */
export function without<C extends Connection, K extends keyof Connection>(connection: C, ...names: K[]): Omit<C, K> {
  const kept = Object.entries(connection).filter(([name]) => !names.includes(name as K))
  return Object.fromEntries(kept) as Omit<C, K>
}
