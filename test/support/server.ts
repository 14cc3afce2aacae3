import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'

export interface TestServer {
  /** A new session, over the server's socket. */
  session(): Promise<pg.Client>
  /** Ends it at once, for its data is thrown away, and waits for its end. */
  stop(): Promise<void>
}

// Postgres refuses to run as root; 65534 is "nobody" on every Linux.
const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

/** Initialises a cluster in `folder` and runs a server on it, from an installed distribution. */
export async function startServer(options: {
  readonly binDirectory: string
  readonly libraryPath: string
  readonly folder: string
}): Promise<TestServer> {
  const { binDirectory, folder } = options
  const data = join(folder, 'data')
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: options.libraryPath }
  mkdirSync(data, { recursive: true })
  for (const path of [folder, data]) {
    if (user.uid !== undefined) chownSync(path, user.uid, user.gid)
    chmodSync(path, 0o700)
  }
  const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '--no-instructions']
  execFileSync(join(binDirectory, 'initdb'), initdb, { ...user, env, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
  const server = spawn(
    join(binDirectory, 'postgres'),
    ['-D', data, '-k', folder, '-c', 'listen_addresses=', '-c', 'fsync=off'],
    { ...user, env, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let log = ''
  await new Promise<void>((resolve, reject) => {
    server.once('exit', () => reject(new Error(`The server did not start:\n${log}`)))
    server.stderr.on('data', (chunk) => {
      log += chunk
      if (log.includes('ready to accept connections')) resolve()
    })
  })
  const sessions: pg.Client[] = []
  return {
    session: async () => {
      const client = new pg.Client({ host: folder, user: 'postgres', database: 'postgres' })
      // A session that the test ends by stopping its server is no failure.
      client.on('error', () => {})
      await client.connect()
      sessions.push(client)
      return client
    },
    stop: async () => {
      await Promise.all(sessions.map((client) => client.end().catch(() => {})))
      if (server.exitCode !== null || server.signalCode !== null) return
      server.kill('SIGQUIT')
      await once(server, 'exit')
    },
  }
}
