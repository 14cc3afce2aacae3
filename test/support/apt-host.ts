import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lacks } from './needs.ts'
import { startSshd, type TestSshd } from './sshd.ts'

// A copy of this machine that costs nothing, with processes of its own: what is written in it is memory, and goes with it.
const enter = `set -e
mount -t tmpfs -o size=2g tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mkdir -p "$1/root/tmp" && mount -t tmpfs tmpfs "$1/root/tmp" && chmod 1777 "$1/root/tmp"
rm -rf "$1/root/etc/postgresql" "$1/root/var/lib/postgresql" "$1/root/run/postgresql"
mkdir -p "$1/root/run/postgresql" && chown postgres:postgres "$1/root/run/postgresql"
echo ready
exec sleep infinity`

/** This machine's Postgres from apt, in a root of its own behind an SSH server, so that the machine itself is not touched. */
export class AptHost {
  readonly folder: string
  readonly sshd: TestSshd
  private readonly pid: number
  private readonly child: ChildProcess

  static async start(): Promise<AptHost> {
    const folder = mkdtempSync(join(tmpdir(), 'pgoci-apt-'))
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', enter, 'sh', folder],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await once(child.stdout, 'data')
    const pid = Number(execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).trim())
    const sshd = await startSshd({ shell: ['nsenter', ...inside(pid, folder), 'sh'] })
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
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  /** The rows of statements of the superuser, in a session of its own. */
  query(statements: string, cluster = '15/main'): string {
    return this.run(
      `runuser -u postgres -- psql --cluster ${cluster} -X -A -t -q -c "${statements}" 2>&1 || true`,
    ).trim()
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
  return ['--target', String(pid), '--mount', '--pid', 'chroot', join(folder, 'root')]
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
  if (!existsSync('/usr/lib/postgresql/15/bin/postgres')) return 'it needs postgresql-15'
  const missing = ['pg_createcluster', 'nsenter', 'unshare', 'setpriv'].filter(lacks)
  return missing.length > 0 ? `it needs ${missing.join(', ')}` : undefined
}
