import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { cachedFolder } from './cache.ts'
import { command } from './command.ts'
import { shutDownExt4 } from './power.ts'
import { VethLink } from './veth-link.ts'

const recipe = join(import.meta.dirname, 'debian-host.sh')

const prefix = 'pgoci-debian-'

/** Disks of test processes that were killed; their hosts ended with them. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(prefix) ? name.slice(prefix.length).split('-')[0] : undefined
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    spawnSync('umount', ['--lazy', join(tmpdir(), name, 'disk')])
    rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

/**
 * A real Debian host: its own disk (ext4 on a loop device), systemd as PID 1, sshd, its own network behind a veth
 * pair. Users are `root` and `deploy` (sudo without a password), both with the key `privateKey`.
 */
export class DebianHost {
  private readonly link = new VethLink()
  readonly name: string = this.link.name
  readonly address: string = this.link.address
  readonly folder: string = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`))
  /** Where the controller sees the host's disk. */
  readonly disk: string = join(this.folder, 'disk')
  /** A folder of the controller that the host has as `/shared`. */
  readonly shared: string = join(this.folder, 'shared')
  private readonly image: string = join(this.folder, 'disk.ext4')
  private cuts = 0
  private container: ChildProcess | undefined
  private readonly removeAtExit = () => this.remove()

  /** A new host with a disk of its own; boots it. The first call on a machine takes half a minute. */
  static async start(): Promise<DebianHost> {
    const image = await cachedFolder('debian-host', readFileSync(recipe, 'utf8'), async (folder) => {
      await command(recipe, [folder])
    })
    sweep()
    const host = new DebianHost()
    process.once('exit', host.removeAtExit)
    try {
      await command('cp', ['--sparse=always', join(image, 'disk.ext4'), host.image])
      await command('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(host.folder, 'key')])
      await host.link.connect()
      host.mount()
      const known = readFileSync(join(host.folder, 'key.pub'), 'utf8')
      for (const [home, owner] of [
        ['root', '0:0'],
        ['home/deploy', '1000:1000'],
      ] as const) {
        mkdirSync(join(host.disk, home, '.ssh'), { recursive: true, mode: 0o700 })
        writeFileSync(join(host.disk, home, '.ssh/authorized_keys'), known)
        await command('chown', ['-R', owner, join(host.disk, home, '.ssh')])
      }
      writeFileSync(join(host.folder, 'known_hosts'), `${host.address} ${host.hostKey}\n`)
      await host.boot()
      return host
    } catch (error) {
      host.remove()
      throw error
    }
  }

  get privateKey(): string {
    return readFileSync(join(this.folder, 'key'), 'utf8')
  }

  /** The line for `hostKey` of a connection. */
  get hostKey(): string {
    const [type, key] = readFileSync(join(this.disk, 'etc/ssh/ssh_host_ed25519_key.pub'), 'utf8').split(' ')
    return `${type} ${key}`
  }

  /** Words before a command that OpenSSH runs on the host as root. */
  get ssh(): string[] {
    const options = ['ConnectTimeout=1', 'ConnectionAttempts=60', 'BatchMode=yes', 'LogLevel=ERROR']
    const files = [`UserKnownHostsFile=${this.folder}/known_hosts`, `IdentityFile=${this.folder}/key`]
    return [...[...options, ...files].flatMap((one) => ['-o', one]), `root@${this.address}`]
  }

  /** Runs a shell script on the host as root. */
  run(script: string, input = ''): Promise<string> {
    return command('ssh', [...this.ssh, script], { input })
  }

  /** Resolves when systemd says that everything is up. */
  async boot(): Promise<void> {
    // Killing nspawn alone leaves its processes; a PID namespace around it ends with its first process, and that with us.
    const around = ['--pdeathsig', 'KILL', 'unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
    const words = [
      'systemd-nspawn',
      '-q',
      '-D',
      this.disk,
      `--machine=${this.name}`,
      `--bind=${this.shared}:/shared`,
      '--register=no',
      '--keep-unit',
      '-b',
    ]
    const network = `--network-namespace-path=/run/netns/${this.name}`
    this.container = spawn('setpriv', [...around, ...words, network], { stdio: 'ignore', detached: true })
    await this.run(
      'systemctl is-system-running --wait || { systemctl --failed; journalctl -b -p warning; exit 1; } >&2',
    )
  }

  /** An orderly restart. */
  async reboot(): Promise<void> {
    const ended = this.ended()
    await this.run('systemctl poweroff').catch(() => {})
    await ended
    await this.boot()
  }

  /**
   * Takes the power away: what was not synced is lost, and nobody is told. The host is down then, its disk readable.
   *
   * @throws when the disk kept what was never synced
   */
  async cutPower(): Promise<void> {
    this.cuts += 1
    const witness = join(this.disk, `unsynced-${this.cuts}`)
    this.link.set('down')
    writeFileSync(witness, Buffer.alloc(1_000_000))
    shutDownExt4(this.disk)
    this.container?.kill('SIGKILL')
    execFileSync('umount', [this.disk])
    // The kernel ends processes and mounts when it comes to it; until then mounting again would join the old mount.
    while ((await command('losetup', ['--associated', this.image])) !== '') await setImmediate()
    this.mount()
    if (existsSync(witness) && statSync(witness).size > 0)
      throw new Error('The power cut was none: unsynced data survived')
    this.link.set('up')
  }

  remove(): void {
    process.off('exit', this.removeAtExit)
    this.container?.kill('SIGKILL')
    spawnSync('umount', ['--lazy', this.disk])
    this.link.remove()
    rmSync(this.folder, { recursive: true, force: true })
  }

  private mount(): void {
    for (const one of [this.disk, this.shared]) mkdirSync(one, { recursive: true })
    execFileSync('mount', ['-o', 'loop', this.image, this.disk])
  }

  private async ended(): Promise<void> {
    const { container } = this
    if (container && container.exitCode === null && container.signalCode === null) await once(container, 'close')
  }
}
