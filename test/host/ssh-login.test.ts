import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/host/connection.ts'
import { temporaryFolder } from '../support/folder.ts'
import { lacks } from '../support/needs.ts'
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts'
import { atEnd, connected, refusal, says, without } from '../support/ssh.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

describe.skipIf(lacks('/usr/sbin/sshd'))('a real sshd (needs openssh-server)', () => {
  let sshd: OpenSsh
  let base: Connection
  beforeAll(async () => {
    sshd = await startOpenSsh({ settings: ['MaxSessions 8', 'MaxStartups 100'] })
    atEnd(() => sshd.close())
    base = sshd.connection
  })

  test('takes a key from a file, from the program, and one with a passphrase', async () => {
    expect(await says(await connected(base))).toBe('hello\n')
    const inline = { ...without(base, 'privateKeyPath'), privateKey: readFileSync(sshd.key, 'utf8') }
    expect(await says(await connected(inline))).toBe('hello\n')
    const locked = { ...base, privateKeyPath: sshd.lockedKey, privateKeyPassword: 'secret words' }
    expect(await says(await connected(locked))).toBe('hello\n')
  })

  test('takes the keys of an agent', async () => {
    const socket = join(temporaryFolder(), 'agent')
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
    atEnd(() => agent.kill())
    await once(agent.stdout, 'data')
    execFileSync('ssh-add', ['-q', sshd.key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' })
    const connection = { ...without(base, 'privateKeyPath'), agentSocketPath: socket }
    expect(await says(await connected(connection))).toBe('hello\n')
    // An agent that is not there is one way less, and said when no other way is left.
    expect(await says(await connected({ ...base, agentSocketPath: `${socket}.gone` }))).toBe('hello\n')
    expect(await refusal({ ...connection, agentSocketPath: `${socket}.gone` })).toMatch(
      /^LOGIN_REFUSED: Cannot log in to .*: the host takes none of what was tried: the keys of the agent .*gone.*; check/,
    )
  })

  test('keys that cannot be used are told apart, and no secret is in the message', async () => {
    expect(await refusal({ ...base, privateKeyPath: sshd.lockedKey })).toMatch(
      /^BAD_INPUT: .*it is encrypted; set privateKeyPassword$/,
    )
    const wrong = await refusal({ ...base, privateKeyPath: sshd.lockedKey, privateKeyPassword: 'wrong words' })
    expect(wrong).toMatch(/^BAD_INPUT: .*privateKeyPassword does not open it$/)
    expect(wrong).not.toContain('wrong words')
    expect(await refusal({ ...base, privateKeyPath: `${sshd.key}.pub` })).toMatch(/it is the public half/)
    expect(await refusal({ ...base, privateKeyPath: '/nowhere/key' })).toMatch(
      /^BAD_INPUT: .*"\/nowhere\/key".*check privateKeyPath$/,
    )
    expect(await refusal({ ...without(base, 'privateKeyPath'), privateKey: 'nonsense' })).toMatch(
      /it is no private key/,
    )
    expect(await refusal({ ...base, user: 'nobody-at-all' })).toMatch(
      /^LOGIN_REFUSED: .*tried: the key .*client; check the user/,
    )
  })

  test('an unknown key is refused with the line to paste, and that line is accepted', async () => {
    const message = await refusal(without(base, 'hostKey'))
    expect(message).toMatch(/^HOST_KEY_REFUSED: Cannot trust .*: its key is unknown/)
    const hostKey = /hostKey: "(.*)"$/.exec(message)?.[1] ?? ''
    expect(hostKey).toBe(sshd.hostKeys.ed25519)
    expect(await says(await connected({ ...base, hostKey }))).toBe('hello\n')
    expect(await says(await connected({ ...without(base, 'hostKey'), insecureIgnoreHostKey: true }))).toBe('hello\n')
  })

  test('a changed key is refused, and a known key of another kind is asked for', async () => {
    const other = await startOpenSsh()
    atEnd(() => other.close())
    expect(await refusal({ ...base, hostKey: other.hostKeys.ed25519 })).toMatch(
      /^HOST_KEY_REFUSED: .*not the one in connection.hostKey: the host was reinstalled, or someone is in between/,
    )
    expect(await says(await connected({ ...base, hostKey: sshd.hostKeys.rsa }))).toBe('hello\n')
    const fingerprint = execFileSync('ssh-keygen', ['-lf', '-'], { input: sshd.hostKeys.ed25519 })
      .toString()
      .split(' ')[1]
    expect(await says(await connected({ ...base, hostKey: fingerprint }))).toBe('hello\n')
  })

  test('known_hosts, as a path or as its content, plain and hashed by ssh-keygen', async () => {
    const file = join(temporaryFolder(), 'known_hosts')
    const name = `[127.0.0.1]:${sshd.port}`
    writeFileSync(
      file,
      `# ours\nother.example.com ${sshd.hostKeys.ed25519}\n${name} ${sshd.hostKeys.ed25519} comment\n`,
    )
    const connection = { ...without(base, 'hostKey'), knownHosts: file }
    expect(await says(await connected(connection))).toBe('hello\n')
    expect(await says(await connected({ ...connection, knownHosts: readFileSync(file, 'utf8') }))).toBe('hello\n')
    execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' })
    expect(readFileSync(file, 'utf8')).not.toContain(name)
    expect(await says(await connected(connection))).toBe('hello\n')
    const revoked = `${name} ${sshd.hostKeys.ed25519}\n@revoked * ${sshd.hostKeys.ed25519}\n`
    for (const insecureIgnoreHostKey of [false, true]) {
      expect(await refusal({ ...connection, knownHosts: revoked, insecureIgnoreHostKey })).toMatch(
        /^HOST_KEY_REFUSED: .*@revoked/,
      )
    }
    expect(await refusal({ ...connection, knownHosts: '/nowhere/known_hosts' })).toMatch(
      /^BAD_INPUT: Cannot read knownHosts/,
    )
    expect(
      await refusal({
        ...connection,
        knownHosts: `${name} ${sshd.hostKeys.ed25519.replace(/.{20}$/, 'A'.repeat(20))}`,
      }),
    ).toMatch(/^HOST_KEY_REFUSED: .*not the one in connection.knownHosts/)
  })

  test('jumps through a proxy, whose key and login are checked as well', async () => {
    const { host, port, user, privateKeyPath, hostKey } = base
    const proxy = { host, port, user, privateKeyPath, hostKey, dialErrorLimit: 1 }
    const transport = await connected({ ...base, proxy })
    expect(await says(transport)).toBe('hello\n')
    expect(await refusal({ ...base, proxy: { ...proxy, hostKey: undefined } })).toMatch(
      /^HOST_KEY_REFUSED: .*add to the proxy/,
    )
    expect(await refusal({ ...base, port: 1, proxy })).toMatch(
      /^HOST_UNREACHABLE: Cannot reach .*127.0.0.1:1 through .*: nothing listens on that port/,
    )
    expect(await refusal({ ...base, proxy: { ...proxy, port: 1 } })).toMatch(
      /^HOST_UNREACHABLE: Cannot reach .*127.0.0.1:1: /,
    )
  })
})

describe('a server in this process', () => {
  let sshd: TestSshd
  let base: Connection
  beforeAll(async () => {
    sshd = await startSshd()
    atEnd(() => sshd.close())
    base = {
      host: '127.0.0.1',
      port: sshd.port,
      user: 'test',
      password: 'test',
      hostKey: sshd.hostKey,
      dialErrorLimit: 1,
    }
  })

  test('takes a password, and a wrong one is refused without being shown', async () => {
    expect(await says(await connected(base))).toBe('hello\n')
    const message = await refusal({ ...base, password: 'wrong words' })
    expect(message).toMatch(/^LOGIN_REFUSED: .*tried: password; check/)
    expect(message).not.toContain('wrong words')
  })

  test('without anything to log in with, it says what to set', async () => {
    const agent = process.env['SSH_AUTH_SOCK']
    delete process.env['SSH_AUTH_SOCK']
    const message = await refusal({ ...base, password: undefined })
    if (agent !== undefined) process.env['SSH_AUTH_SOCK'] = agent
    expect(message).toMatch(/^LOGIN_REFUSED: .*nothing to do it with; set privateKeyPath/)
  })
})
