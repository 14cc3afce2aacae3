import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { DebianHost } from './debian-host.ts'

/** An open psql session of a user of the instance `orders`; each call sends one statement and returns its rows. */
export class PsqlSession {
  private readonly child
  private readonly lines: AsyncIterator<string>

  constructor(host: DebianHost) {
    const psql = 'sh /var/lib/pgoci/instances/orders/current/run psql -X -A -t -v VERBOSITY=terse 2>&1'
    this.child = spawn('ssh', [...host.ssh, psql], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.child.stdin.on('error', () => {})
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  async query(statement: string): Promise<string> {
    this.child.stdin.write(`${statement};\n\\echo '-- done'\n`)
    const rows: string[] = []
    for (;;) {
      const { value, done } = await this.lines.next()
      if (done) throw new Error(`The session ended: ${rows.join('\n')}`)
      if (value === '-- done') return rows.join('\n')
      rows.push(value)
    }
  }

  close(): void {
    this.child.kill()
  }
}
