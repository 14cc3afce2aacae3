import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'

export interface BenchSshd {
  readonly pid: number
  readonly port: number
  readonly user: string
  readonly hostKey: string
  readonly privateKeyPath: string
  /** Words of an ssh client that logs in through `port`, which may be a proxy's. */
  client(port: number): readonly string[]
  stop(): void
}

/**
 * OpenSSH's sshd on loopback, with its own configuration and keys in `folder`. It logs in this user, by key. A shell of
 * depth 2 is not sshd's own for bash, which then leaves alone this user's .bashrc, in which anything may take time.
 */
export async function startOpenSsh(folder: string): Promise<BenchSshd> {
  const path = (name: string) => join(folder, name)
  for (const name of ['host_key', 'user_key']) {
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path(name)], { stdio: 'inherit' })
  }
  copyFileSync(path('user_key.pub'), path('authorized_keys'))
  const port = await freePort()
  writeFileSync(
    path('sshd_config'),
    `ListenAddress 127.0.0.1:${port}
HostKey ${path('host_key')}
AuthorizedKeysFile ${path('authorized_keys')}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
PidFile none
MaxStartups 100
SetEnv SHLVL=2
`,
  )
  // sshd of root refuses to start without it, and only its service makes it.
  if (process.getuid?.() === 0 && !existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 })
  // sshd runs itself again for each connection, so it wants its absolute path.
  const program = ['/usr/sbin/sshd', '/usr/bin/sshd'].find(existsSync) ?? '/usr/sbin/sshd'
  const child = spawn(program, ['-D', '-e', '-f', path('sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] })
  await new Promise<void>((resolve, reject) => {
    let said = ''
    child.stderr.on('data', (chunk) => {
      said = (said + chunk).slice(-10_000)
      if (said.includes('Server listening')) resolve()
    })
    child.once('error', reject)
    child.once('close', (code) => reject(new Error(`sshd ended with ${code}:\n${said}`)))
  })
  const hostKey = readFileSync(path('host_key.pub'), 'utf8').trim()
  const { username } = userInfo()
  return {
    pid: child.pid as number,
    port,
    user: username,
    hostKey,
    privateKeyPath: path('user_key'),
    client: (to) => {
      appendFileSync(path('known_hosts'), `[127.0.0.1]:${to} ${hostKey}\n`)
      const options = ['BatchMode=yes', 'IdentitiesOnly=yes', `UserKnownHostsFile=${path('known_hosts')}`]
      return ['-F', 'none', '-i', path('user_key'), '-p', `${to}`, ...options.flatMap((one) => ['-o', one])]
    },
    stop: () => child.kill('SIGTERM'),
  }
}

/** sshd cannot choose one itself. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
