import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { DebianHost } from './debian-host.ts'

/** An open psql session on a host; each call sends statements and returns their rows, or what Postgres says against them. */
export class PsqlSession {
  private readonly child
  private readonly lines: AsyncIterator<string>

  /** @param run runs a program of the distribution on the host */
  constructor(host: DebianHost, run: string) {
    this.child = spawn('ssh', [...host.ssh, `${run} psql -X -A -t -v VERBOSITY=terse 2>&1`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
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
