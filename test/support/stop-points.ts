import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DebianHost } from './debian-host.ts'

/** Where a host's store script stops: `tar` half way through its input, other programs before or after they ran. */
export interface StopPoint {
  readonly when: 'before' | 'half' | 'after'
  /** Shell pattern of the program's name and words, as in `mv -T *`. */
  readonly command: string
}

// Stands before the real programs in PATH. At the point it says so, waits there for the end, and holds everything up.
// First it syncs a file of its own, as a database on the same disk does all the time: that commits the journal, so
// every name is on the disk then, and only what was synced has its content.
const wrapper = `#!/bin/sh
name=\${0##*/}
[ -f /stop/at ] && { read -r when && IFS= read -r command; } </stop/at && case "$name $*" in
  $command)
    case $when in
      half) head -c 3000000 | "/usr/bin/$name" "$@" ;;
      after) "/usr/bin/$name" "$@" ;;
    esac
    echo "$$" >/stop/other
    /usr/bin/sync /stop/other
    echo here >/stop/reached
    exec sleep infinity ;;
esac
exec "/usr/bin/$name" "$@"
`

/** Makes the host's scripts stop at points that tests choose, so that a power cut hits them there and nowhere else. */
export class StopPoints {
  private readonly folder: string

  constructor(host: DebianHost) {
    this.folder = join(host.disk, 'stop')
    mkdirSync(this.folder)
    execFileSync('mkfifo', [join(this.folder, 'reached')])
    const bin = join(host.disk, 'usr/local/sbin')
    writeFileSync(join(bin, 'stop-point'), wrapper)
    chmodSync(join(bin, 'stop-point'), 0o755)
    for (const name of ['mv', 'tar', 'sync', 'cp']) symlinkSync('stop-point', join(bin, name))
    execFileSync('sync', ['-f', host.disk])
  }

  /** Resolves when the host has stopped at the point; rejects when `meanwhile` ends first. */
  async reach({ when, command }: StopPoint, meanwhile: Promise<{ readonly output: string }>): Promise<void> {
    writeFileSync(join(this.folder, 'at'), `${when}\n${command}\n`)
    const waiting = spawn('cat', [join(this.folder, 'reached')], { stdio: 'ignore' })
    const reached = new Promise<void>((resolve) => waiting.once('close', () => resolve()))
    const passed = meanwhile.then(({ output }) => {
      throw new Error(`It never came to "${command}":\n${output}`)
    })
    try {
      await Promise.race([reached, passed])
    } finally {
      waiting.kill()
      passed.catch(() => {})
    }
  }

  clear(): void {
    rmSync(join(this.folder, 'at'), { force: true })
  }
}
