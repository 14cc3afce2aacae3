import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../../src/host/connect.ts'
import type { Connection } from '../../src/host/connection.ts'
import type { Transport } from '../../src/host/transport.ts'
import { temporaryFolder } from '../support/folder.ts'
import { lacks } from '../support/needs.ts'
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts'
import { processes } from '../support/process.ts'
import { atEnd, connected, refusal, says, without } from '../support/ssh.ts'

const keygen = (...words: string[]) => execFileSync('ssh-keygen', ['-q', ...words], { stdio: 'ignore' })

describe.skipIf(lacks('/usr/sbin/sshd'))('transport "openssh" (needs openssh-server)', () => {
  let sshd: OpenSsh
  let base: Connection
  let authority: string
  beforeAll(async () => {
    authority = join(temporaryFolder(), 'authority')
    keygen('-t', 'ed25519', '-N', '', '-f', authority)
    sshd = await startOpenSsh({ settings: ['MaxStartups 100', `TrustedUserCAKeys ${authority}.pub`] })
    atEnd(() => sshd.close())
    base = { ...sshd.connection, transport: 'openssh' }
  })
  const hop = () => ({ ...without(base, 'transport'), dialErrorLimit: 1 })

  test('runs commands, feeds them, and tells how they ended', async () => {
    const transport = await connected(base)
    const fed = await transport.exec('cat; echo end >&2; exit 3', { stdin: 'x'.repeat(3_000_000) })
    expect(fed).toEqual({ code: 3, stdout: 'x'.repeat(3_000_000), stderr: 'end\n' })
    const many = Array.from({ length: 20 }, (_, index) => `${index}\n`)
    expect(await Promise.all(many.map((text) => says(transport, `echo ${text}`)))).toEqual(many)
  })

  test('takes a key as text, which is on the disk only while it logs in, and the keys of an agent', async () => {
    const inline = { ...without(base, 'privateKeyPath'), privateKey: readFileSync(sshd.key, 'utf8').trim() }
    const before = foldersOfOurs()
    expect(await says(await connected(inline))).toBe('hello\n')
    const [folder = ''] = foldersOfOurs().filter((name) => !before.includes(name))
    expect(readdirSync(folder).sort()).toEqual(['0-keys', '0-known', '0-shown', 's'])
    const socket = join(temporaryFolder(), 'agent')
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
    atEnd(() => agent.kill())
    await once(agent.stdout, 'data')
    execFileSync('ssh-add', ['-q', sshd.key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' })
    expect(await says(await connected({ ...without(base, 'privateKeyPath'), agentSocketPath: socket }))).toBe('hello\n')
  })

  test('logs in with a user certificate, and trusts the certificate of a host', async () => {
    const folder = temporaryFolder()
    const key = join(folder, 'id')
    keygen('-t', 'ed25519', '-N', '', '-f', key)
    expect(await refusal({ ...base, privateKeyPath: key })).toMatch(/^LOGIN_REFUSED: .*Permission denied/)
    keygen('-s', authority, '-I', 'tester', '-n', base.user ?? '', '-V', '+1h', `${key}.pub`)
    expect(await says(await connected({ ...base, privateKeyPath: key }))).toBe('hello\n')

    const host = join(folder, 'host')
    keygen('-t', 'ecdsa', '-N', '', '-f', host)
    keygen('-s', authority, '-h', '-I', 'db1', '-n', '127.0.0.1', `${host}.pub`)
    const certified = await startOpenSsh({ settings: [`HostKey ${host}`, `HostCertificate ${host}-cert.pub`] })
    atEnd(() => certified.close())
    const knownHosts = `@cert-authority * ${readFileSync(`${authority}.pub`, 'utf8')}`
    const connection = { ...without(certified.connection, 'hostKey'), transport: 'openssh', knownHosts } as const
    expect(await says(await connected(connection))).toBe('hello\n')
  })

  test('goes by a ProxyCommand of an ssh_config file', async () => {
    const config = join(temporaryFolder(), 'config')
    const relay = `const s = require("net").connect(${sshd.port}, "127.0.0.1"); process.stdin.pipe(s).pipe(process.stdout)`
    writeFileSync(config, `Host db1\n  ProxyCommand ${process.execPath} -e '${relay}'\n`)
    const connection = { ...without(base, 'port'), host: 'db1', sshConfig: config } as const
    expect(await says(await connected(connection))).toBe('hello\n')
    expect(await refusal(without(connection, 'transport'))).toMatch(
      /^BAD_INPUT: .* it sets proxycommand, which only ssh itself can do; set transport: "openssh" in the connection$/,
    )
  })

  test('jumps through a chain of proxies, each with its own key, host key and message', async () => {
    const chain = { ...hop(), proxy: { ...hop(), proxy: hop() } }
    expect(await says(await connected({ ...base, proxy: chain }))).toBe('hello\n')
    expect(await refusal({ ...base, proxy: { ...hop(), proxy: without(hop(), 'hostKey') } })).toMatch(
      /^HOST_KEY_REFUSED: .* add to the proxy\.proxy\n {2}hostKey: "ssh-ed25519 /,
    )
    expect(await refusal({ ...base, proxy: { ...hop(), port: 1 } })).toMatch(
      /^HOST_UNREACHABLE: Cannot reach .* through .*:1: nothing listens/,
    )
  })

  test('an unknown key is refused with the line to paste; a fingerprint and insecureIgnoreHostKey are taken', async () => {
    for (const connection of [without(base, 'hostKey'), { ...without(base, 'hostKey'), knownHosts: '# none\n' }]) {
      const message = await refusal(connection)
      expect(message).toMatch(/^HOST_KEY_REFUSED: Cannot trust .*: its key is unknown.* add to the connection/)
      const hostKey = /hostKey: "(.*)"$/.exec(message)?.[1] ?? ''
      expect(await says(await connected({ ...base, hostKey }))).toBe('hello\n')
    }
    const print = execFileSync('ssh-keygen', ['-lf', '-'], { input: sshd.hostKeys.ed25519 }).toString().split(' ')[1]
    expect(await says(await connected({ ...base, hostKey: print }))).toBe('hello\n')
    expect(await says(await connected({ ...without(base, 'hostKey'), insecureIgnoreHostKey: true }))).toBe('hello\n')
  })

  test('a changed and a revoked key are refused', async () => {
    expect(await refusal({ ...base, hostKey: sshd.hostKeys.ed25519.replace(/.{8}$/, 'AAAAAAAA') })).toMatch(
      /^HOST_KEY_REFUSED: .* not the one in connection\.hostKey: the host was reinstalled/,
    )
    for (const insecureIgnoreHostKey of [false, true]) {
      const knownHosts = `@revoked * ${sshd.hostKeys.ed25519}\n* ${sshd.hostKeys.ed25519}\n`
      expect(await refusal({ ...base, knownHosts, insecureIgnoreHostKey })).toMatch(
        /^HOST_KEY_REFUSED: .* marked @revoked in connection\.knownHosts/,
      )
    }
  })

  test('other refusals are told as those of ssh2 are', async () => {
    expect(await refusal({ ...base, user: 'nobody-at-all' })).toMatch(/^LOGIN_REFUSED: Cannot log in to nobody-at-all@/)
    expect(await refusal({ ...base, port: 1 })).toMatch(/^HOST_UNREACHABLE: .*: nothing listens on that port;/)
    expect(await refusal({ ...base, host: 'no-such-host.invalid' })).toMatch(
      /^HOST_UNREACHABLE: .*: its name is not known/,
    )
    const message = await refusal({ ...base, password: 'secret words' })
    expect(message).toMatch(/^BAD_INPUT: Cannot use connection\.password .* use a key, or leave transport out$/)
    expect(message).not.toContain('secret words')
    const path = process.env['PATH']
    process.env['PATH'] = temporaryFolder()
    expect(await refusal(base)).toMatch(/^BAD_INPUT: .* there is no ssh on the PATH/)
    process.env['PATH'] = path
  })

  test('a host that grants one session at a time gets one command at a time', async () => {
    const narrow = await startOpenSsh({ settings: ['MaxSessions 1'] })
    atEnd(() => narrow.close())
    for (const transport of ['openssh', 'ssh2'] as const) {
      const way = await connected({ ...narrow.connection, transport })
      const many = Array.from({ length: 12 }, (_, index) => `${index}\n`)
      const answers = await Promise.all(many.map(async (stdin) => (await way.exec('cat', { stdin })).stdout))
      expect(answers).toEqual(many)
    }
  })

  test('a lost master ends its commands without a status, and the next command makes a new one', async () => {
    const transport = await connected(base)
    const running = await begun(transport)
    expect(sshd.signalSessions('SIGKILL')).toBeGreaterThan(0)
    expect(await running.end).toMatchObject({ code: undefined, lost: expect.stringMatching(/./) })
    expect(await says(transport)).toBe('hello\n')
  })

  test('a silent host is lost after its keepalives, and an abort ends a dial and a command at once', async () => {
    const transport = await connected(base, { keepalive: { milliseconds: 1000, count: 1 } })
    const running = await begun(transport)
    sshd.signalSessions('SIGSTOP')
    expect(await running.end).toMatchObject({ code: undefined, lost: expect.stringMatching(/./) })
    sshd.signalSessions('SIGKILL')
    const abort = new AbortController()
    const aborted = transport.exec('sleep 600', { signal: abort.signal })
    abort.abort(new Error('stop'))
    await expect(aborted).rejects.toThrow('stop')
    await expect(connect(base, { signal: abort.signal })).rejects.toThrow('stop')
  })

  test('leaves no master and no folder behind, neither by close nor when its process is killed', async () => {
    const transport = await connect(base)
    const code = `const { connect } = await import(${JSON.stringify(resolve('src/host/connect.ts'))});
      const transport = await connect(${JSON.stringify(base)});
      console.log((await transport.exec('echo hello')).stdout)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    const before = foldersOfOurs()
    expect(before.length).toBeGreaterThanOrEqual(2)
    await transport.close()
    child.kill('SIGKILL')
    await expect.poll(foldersOfOurs).toHaveLength(before.length - 2)
    await expect.poll(() => masters().length).toBe(foldersOfOurs().length)
  })
})

function foldersOfOurs(): string[] {
  return masters().map((line) => /ControlPath="(.*)\/s"/.exec(line)?.[1] ?? '')
}

/** The command lines of ssh masters that descend from these tests, or were left by them. */
function masters(): string[] {
  return processes()
    .map(({ command }) => command)
    .filter((line) => line.startsWith('ssh -N') && line.includes(`${tmpdir()}/pgoci-`))
}

/** A command that has been fed, and goes on. */
async function begun(transport: Transport) {
  const file = join(temporaryFolder(), 'fed')
  const end = transport.exec(`cat >${file}; sleep 600`, { stdin: 'fed' })
  await expect.poll(() => existsSync(file) && readFileSync(file, 'utf8')).toBe('fed')
  return { end }
}
