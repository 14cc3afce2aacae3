import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TestRegistry {
  /** `127.0.0.1:PORT`, plain HTTP. */
  readonly address: string
  stop(): void
}

/** A real registry process (Docker's, from the package docker-registry) on loopback that keeps its data in `storage`. */
export async function startRegistry(storage: string): Promise<TestRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'pgoci-registry-'))
  writeFileSync(
    join(folder, 'config.yml'),
    JSON.stringify({
      version: '0.1',
      storage: { filesystem: { rootdirectory: storage } },
      http: { addr: '127.0.0.1:0' },
    }),
  )
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: ['ignore', 'pipe', 'pipe'] })
  const stop = () => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', stop)
  return { address: await listening(child), stop }
}

/** Resolves when the process says where it listens; it writes on, and is drained. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const read = (chunk: Buffer) => {
      said = (said + chunk).slice(-10_000)
      const found = /listening on (127\.0\.0\.1:\d+)/.exec(said)
      if (found) resolve(found[1] as string)
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('error', reject)
    child.once('close', (code) => reject(new Error(`docker-registry ended with ${code}:\n${said}`)))
  })
}
