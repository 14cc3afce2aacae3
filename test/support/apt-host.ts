import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lacks } from './needs.ts'
import type { PackagedHost } from './packaged-host.ts'
import { startSshd, type TestSshd } from './sshd.ts'

// A copy that costs nothing, with processes of its own: what is written in it is memory, and goes with it.
const enter = `set -e
ip link set lo up
mount -t tmpfs -o size=2g tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/tmp" && chmod 1777 "$1/root/tmp"
mount --bind "$3" "$1/root/mnt"
echo ready
exec sleep infinity`

/** A Debian with Postgres from apt, behind an SSH server; the packages that upgrade it are in /mnt. */
export class AptHost {
  readonly folder: string
  readonly sshd: TestSshd
  private readonly pid: number
  private readonly child: ChildProcess

  static async start({ root, debs }: Pick<PackagedHost, 'root' | 'debs'>): Promise<AptHost> {
    const folder = mkdtempSync(join(tmpdir(), 'pgoci-apt-'))
    const isolated = ['unshare', '--mount', '--net', '--pid', '--fork', '--kill-child']
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...isolated, 'sh', '-c', enter, 'sh', folder, root, debs], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    const pid = Number(execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).trim())
    const sshd = await startSshd({
      shell: ['nsenter', ...inside(pid, folder), 'sh'],
      env: { PATH: process.env['PATH'] },
    })
    return new AptHost(folder, { sshd, child, pid })
  }

  private constructor(folder: string, made: { sshd: TestSshd; child: ChildProcess; pid: number }) {
    this.folder = folder
    this.sshd = made.sshd
    this.child = made.child
    this.pid = made.pid
  }

  /** Runs a script there as root. */
  run(script: string): string {
    return execFileSync('nsenter', [...inside(this.pid, this.folder), 'sh', '-euc', script], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** The rows of statements of the superuser, in a session of its own. */
  query(statements: string, { bin = '/usr/bin', words = '--cluster 15/main' } = {}): string {
    return this.run(`runuser -u postgres -- ${bin}/psql ${words} -X -A -t -q -c "${statements}" 2>&1 || true`).trim()
  }

  get connection() {
    const { port, hostKey } = this.sshd
    return { host: '127.0.0.1', port, user: 'test', password: 'test', hostKey }
  }

  async close(): Promise<void> {
    await this.sshd.close()
    this.child.kill('SIGKILL')
    await once(this.child, 'close')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function inside(pid: number, folder: string): string[] {
  return ['--target', String(pid), '--mount', '--net', '--pid', 'chroot', join(folder, 'root')]
}

/**
 * @returns why there can be none on this machine, or undefined
 * @throws where CI=true, because there it must be
 */
export function whyNoAptHost(): string | undefined {
  const why = findObstacle()
  if (why !== undefined && process.env['CI'] === 'true') throw new Error(`apt's Postgres must be tested in CI: ${why}`)
  return why
}

function findObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root'
  const missing = ['mmdebstrap', 'ip', 'nsenter', 'unshare', 'setpriv'].filter(lacks)
  return missing.length > 0 ? `it needs ${missing.join(', ')}` : undefined
}
