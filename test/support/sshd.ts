import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import ssh2 from 'ssh2'

export interface TestSshd {
  readonly port: number
  /** `ecdsa-sha2-nistp256 AAAA…`: what a connection needs as hostKey. */
  readonly hostKey: string
  readonly privateKey: string
  /** Commands that were run, for counting. */
  readonly commands: string[]
  /** Ends every connection at once, as a network does. */
  cut(): void
  close(): Promise<void>
}

/**
 * A real SSH server in this process, on loopback: each command runs in `sh`, as this user. It takes any user with the
 * password `test`.
 *
 * @param options.former a closed server whose port and key this one takes over
 */
export async function startSshd(
  options: { shell?: string[]; env?: NodeJS.ProcessEnv; former?: TestSshd } = {},
): Promise<TestSshd> {
  const [shell = 'sh', ...words] = options.shell ?? ['sh']
  const privateKey = options.former?.privateKey ?? ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 }).private
  const key = ssh2.utils.parseKey(privateKey)
  if (key instanceof Error) throw key
  const commands: string[] = []
  const clients = new Set<ssh2.Connection>()
  const server = new ssh2.Server({ hostKeys: [privateKey] }, (client) => {
    clients.add(client)
    client.on('error', () => {})
    client.on('close', () => clients.delete(client))
    client.on('authentication', (context) => {
      if (context.method === 'password' && context.password === 'test') context.accept()
      else context.reject(['password'])
    })
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, info) => {
        commands.push(info.command)
        const channel = acceptExec()
        const child = spawn(shell, [...words, '-c', info.command], { stdio: 'pipe', env: options.env ?? process.env })
        child.stdin.on('error', () => {})
        channel.on('error', () => {})
        channel.pipe(child.stdin)
        child.stdout.pipe(channel, { end: false })
        child.stderr.pipe(channel.stderr, { end: false })
        child.on('close', (code) => {
          channel.exit(code ?? 1)
          channel.end()
        })
      })
    })
  })
  server.listen(options.former?.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const line = Array.isArray(key) ? key[0] : key
  return {
    port,
    privateKey,
    hostKey: `ecdsa-sha2-nistp256 ${line.getPublicSSH().toString('base64')}`,
    commands,
    cut: () => {
      for (const client of clients) client.end()
    },
    close: async () => {
      for (const client of clients) client.end()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
