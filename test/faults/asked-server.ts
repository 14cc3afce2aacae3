import { join } from 'node:path'
import type { Client } from 'pg'
import { startServer, type TestServer } from '../support/server.ts'

/** A real Postgres that runs from a store, with one session that stays open from the beginning to the end. */
export class AskedServer {
  private readonly server: TestServer
  private readonly session: Client
  questions = 0

  static async start(instance: string, folder: string): Promise<AskedServer> {
    const live = join(instance, 'current/live')
    const server = await startServer({
      binDirectory: join(instance, 'root/bin'),
      libraryPath: [join(live, 'system'), join(instance, 'root/lib')].join(':'),
      folder,
    })
    const session = await server.session()
    await session.query('CREATE EXTENSION hstore')
    return new AskedServer(server, session)
  }

  private constructor(server: TestServer, session: Client) {
    this.server = server
    this.session = session
  }

  /** Asks the open session and, each time, a new one that loads the module anew; the end tells what went wrong. */
  keepAsking(): () => Promise<string[]> {
    let isOver = false
    const asking = (async () => {
      try {
        while (!isOver) await this.ask()
        return []
      } catch (error) {
        return [`Postgres answered "${(error as Error).message}"`]
      }
    })()
    return () => {
      isOver = true
      return asking
    }
  }

  stop(): Promise<void> {
    return this.server.stop()
  }

  private async ask(): Promise<void> {
    const anew = await this.server.session()
    for (const session of [this.session, anew]) {
      const { rows } = await session.query(`SELECT 'a=>1'::hstore -> 'a' AS value, count(*)::int AS files
        FROM pg_available_extensions WHERE name IN ('hstore', 'plpgsql')`)
      this.questions += 1
      if (rows[0].value !== '1' || rows[0].files !== 2) throw new Error(JSON.stringify(rows[0]))
    }
    await anew.end()
  }
}
