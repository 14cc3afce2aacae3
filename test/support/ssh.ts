import { afterAll } from 'vitest'
import type { Connection } from '../../src/host/connection.ts'
import { connectSsh } from '../../src/host/ssh.ts'
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
  options: Parameters<typeof connectSsh>[1] = {},
): Promise<Transport> {
  const transport = await connectSsh(connection, options)
  atEnd(() => transport.close())
  return transport
}

export async function says(transport: Transport, command = 'echo hello'): Promise<string> {
  return (await transport.exec(command)).stdout
}

export async function refusal(connection: Connection): Promise<string> {
  return connectSsh(connection).then(
    () => 'connected',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  )
}
