import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Connection } from '../../src/host/connection.ts'
import { temporaryFolder } from './folder.ts'

export interface OpenSsh {
  /** Logs in as this user, with a key. */
  readonly connection: Connection
  readonly port: number
  /** Lines of the host's public keys, and files of client keys: plain, and with the passphrase `secret words`. */
  readonly hostKeys: { readonly ed25519: string; readonly rsa: string }
  readonly key: string
  readonly lockedKey: string
  /** Makes a key that logs in as any user, with these options of authorized_keys(5) before it. */
  authorize(options: string): string
  readonly log: () => string
  /** Sends a signal to the processes that serve its sessions. */
  signalSessions(signal: NodeJS.Signals): number
  close(): Promise<void>
}

/** Somebody whom only this sshd knows. */
export interface TestUser {
  readonly name: string
  readonly shell?: string
  readonly password?: string
  /** Days since 1970: when the account ended, and when the password was changed last. */
  readonly expired?: number
  readonly changed?: number
}

/**
 * The real sshd on loopback, with its own keys and configuration, in the foreground.
 *
 * @param options.users are in its own /etc/passwd and /etc/shadow, which needs root
 */
export async function startOpenSsh(
  options: { settings?: readonly string[]; users?: readonly TestUser[] } = {},
): Promise<OpenSsh> {
  const folder = temporaryFolder()
  // The separated process of a root's sshd wants it, and says so only in its log.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true })
  const keygen = (name: string, type: string, passphrase = '') => {
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', name, '-f', join(folder, name)])
    return join(folder, name)
  }
  const hostEd25519 = keygen('host_ed25519', 'ed25519')
  const hostRsa = keygen('host_rsa', 'rsa')
  const key = keygen('client', 'ed25519')
  const lockedKey = keygen('locked', 'ed25519', 'secret words')
  const publicHalf = (path: string) => readFileSync(`${path}.pub`, 'utf8').trim()
  writeFileSync(join(folder, 'authorized'), `${publicHalf(key)}\n${publicHalf(lockedKey)}\n`)
  const port = await freePort()
  const settings = [
    // The first value of a setting counts.
    ...(options.settings ?? []),
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostEd25519}`,
    `HostKey ${hostRsa}`,
    `AuthorizedKeysFile ${join(folder, 'authorized')}`,
    `PidFile ${join(folder, 'pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    // The login shell of somebody's machine: at this depth bash leaves .bashrc alone, in which anything may take time.
    'SetEnv SHLVL=2',
  ]
  writeFileSync(join(folder, 'config'), settings.map((line) => `${line}\n`).join(''))
  const words = ['/usr/sbin/sshd', '-D', '-e', '-f', join(folder, 'config')]
  const [program = '', ...others] = options.users === undefined ? words : withUsers(options.users, folder, words)
  const sshd = spawn(program, others, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  await new Promise<void>((resolve, reject) => {
    sshd.once('exit', () => reject(new Error(`sshd did not start:\n${log}`)))
    sshd.stderr.on('data', (chunk) => {
      log += chunk
      if (log.includes('Server listening')) resolve()
    })
  })
  const line = (path: string) => publicHalf(path).split(' ').slice(0, 2).join(' ')
  return {
    connection: {
      host: '127.0.0.1',
      port,
      user: userInfo().username,
      privateKeyPath: key,
      hostKey: line(hostEd25519),
      dialErrorLimit: 1,
    },
    port,
    hostKeys: { ed25519: line(hostEd25519), rsa: line(hostRsa) },
    key,
    lockedKey,
    authorize: (limits) => {
      const path = keygen(`client-${randomUUID()}`, 'ed25519')
      appendFileSync(join(folder, 'authorized'), `${limits} ${publicHalf(path)}\n`)
      return path
    },
    log: () => log,
    signalSessions: (signal) => {
      const serving = descendantsOf(sshd.pid ?? 0).filter((pid) => commandOf(pid).startsWith('sshd'))
      for (const pid of serving) signalTo(pid, signal)
      return serving.length
    },
    close: async () => {
      for (const pid of descendantsOf(sshd.pid ?? 0)) if (commandOf(pid).startsWith('sshd')) signalTo(pid, 'SIGKILL')
      if (sshd.exitCode !== null || sshd.signalCode !== null) return
      sshd.kill('SIGTERM')
      await once(sshd, 'exit')
    },
  }
}

/** The command that runs another with these users, in a mount namespace of its own. */
function withUsers(users: readonly TestUser[], folder: string, words: readonly string[]): string[] {
  const passwd = users.map(({ name, shell = '/bin/sh' }, index) => `${name}:x:${62000 + index}:65534::/:${shell}\n`)
  const shadow = users.map(({ name, password, expired = '', changed = 20000 }) => {
    const hash =
      password === undefined ? '*' : execFileSync('openssl', ['passwd', '-6', '-stdin'], { input: password }).toString()
    return `${name}:${hash.trim()}:${changed}:0:99999:7::${expired}:\n`
  })
  const mounts = Object.entries({ passwd, shadow }).map(([file, lines]) => {
    writeFileSync(join(folder, file), readFileSync(`/etc/${file}`, 'utf8') + lines.join(''), { mode: 0o644 })
    return `mount --bind ${join(folder, file)} /etc/${file} &&`
  })
  return ['unshare', '--mount', 'sh', '-c', `${mounts.join(' ')} exec "$@"`, 'sh', ...words]
}

function descendantsOf(pid: number): number[] {
  const children = readProc(`${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number)
  return children.flatMap((child) => [child, ...descendantsOf(child)])
}

function commandOf(pid: number): string {
  return readProc(`${pid}/comm`)
}

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch {
    return ''
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A session that ends takes its other process with it, so one that was just seen may be gone. */
function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
