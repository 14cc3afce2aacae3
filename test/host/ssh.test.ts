import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connection } from '../../src/host/connection.ts'
import { connectSsh } from '../../src/host/ssh.ts'
import type { Transport } from '../../src/host/transport.ts'
import { lacks } from '../support/needs.ts'
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'
import { completeState, imageOf, install, stagingOf, targetAt, temporaryFolder } from '../support/store.ts'

const withoutSshd = lacks('/usr/sbin/sshd')
const ends: (() => unknown)[] = []
afterAll(async () => {
  for (const end of ends.reverse()) await end()
})

async function connected(connection: Connection, options: Parameters<typeof connectSsh>[1] = {}): Promise<Transport> {
  const transport = await connectSsh(connection, options)
  ends.push(() => transport.close())
  return transport
}

async function says(transport: Transport, command = 'echo hello'): Promise<string> {
  return (await transport.exec(command)).stdout
}

async function refusal(connection: Connection): Promise<string> {
  return connectSsh(connection).then(
    () => 'connected',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  )
}

describe.skipIf(withoutSshd)('a real sshd (needs openssh-server)', () => {
  let sshd: OpenSsh
  let base: Connection
  beforeAll(async () => {
    sshd = await startOpenSsh({ settings: ['MaxSessions 8', 'MaxStartups 100'] })
    ends.push(() => sshd.close())
    base = sshd.connection
  })
  const without = (...names: (keyof Connection)[]): Connection =>
    Object.fromEntries(Object.entries(base).filter(([name]) => !names.includes(name as keyof Connection))) as Connection

  test('takes a key from a file, from the program, and one with a passphrase', async () => {
    expect(await says(await connected(base))).toBe('hello\n')
    const inline = { ...without('privateKeyPath'), privateKey: readFileSync(sshd.key, 'utf8') }
    expect(await says(await connected(inline))).toBe('hello\n')
    const locked = { ...base, privateKeyPath: sshd.lockedKey, privateKeyPassword: 'secret words' }
    expect(await says(await connected(locked))).toBe('hello\n')
  })

  test('takes the keys of an agent', async () => {
    const socket = join(temporaryFolder(), 'agent')
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
    ends.push(() => agent.kill())
    await once(agent.stdout, 'data')
    execFileSync('ssh-add', ['-q', sshd.key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' })
    const connection = { ...without('privateKeyPath'), agentSocketPath: socket }
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
    expect(await refusal({ ...without('privateKeyPath'), privateKey: 'nonsense' })).toMatch(/it is no private key/)
    expect(await refusal({ ...base, user: 'nobody-at-all' })).toMatch(
      /^LOGIN_REFUSED: .*tried: the key .*client; check the user/,
    )
  })

  test('an unknown key is refused with the line to paste, and that line is accepted', async () => {
    const message = await refusal(without('hostKey'))
    expect(message).toMatch(/^HOST_KEY_REFUSED: Cannot trust .*: its key is unknown/)
    const hostKey = /hostKey: "(.*)"$/.exec(message)?.[1] ?? ''
    expect(hostKey).toBe(sshd.hostKeys.ed25519)
    expect(await says(await connected({ ...base, hostKey }))).toBe('hello\n')
    expect(await says(await connected({ ...without('hostKey'), insecureIgnoreHostKey: true }))).toBe('hello\n')
  })

  test('a changed key is refused, and a known key of another kind is asked for', async () => {
    const other = await startOpenSsh()
    ends.push(() => other.close())
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
    const connection = { ...without('hostKey'), knownHosts: file }
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

  test('never has more than eight channels open, whatever is asked for at once', async () => {
    const transport = await connected(base)
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) => says(transport, `sleep 0.05; echo ${index}`)),
    )
    expect(answers).toEqual(Array.from({ length: 30 }, (_, index) => `${index}\n`))
  })

  const distribution = imageOf(
    { 'root/bin/postgres*': 'server', 'live/lib/plain.so*': 'plain' },
    { distribution: true },
  )
  const vector = imageOf({ 'live/lib/vector.so*': 'module' }, { distribution: false })

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'Atomic: a session that meets %s in the middle of a push',
    async (signal) => {
      const transport = await connected(base, { keepalive: { milliseconds: 100, count: 3 } })
      const target = targetAt(join(temporaryFolder(), 'store'), transport)
      await install(target, { distribution })
      const before = completeState(target.root)
      const images = { distribution, vector }
      const lost = install(
        { ...target, transport: interrupting(transport, () => expect(sshd.signalSessions(signal)).toBeGreaterThan(0)) },
        images,
      )
      await expect(lost).rejects.toMatchObject({
        code: 'HOST_UNREACHABLE',
        message: expect.stringMatching(/its answer stopped short \(.+\); run it again, it goes on from what is there/),
      })
      expect(completeState(target.root)).toEqual(before)
      sshd.signalSessions('SIGCONT')
      // The same transport makes a new connection, probes what is there, and waits for the lock of the lost shell.
      await install(target, images)
      expect(completeState(target.root)?.generation).toBe(2)
      expect(stagingOf(target.root)).toEqual([])
    },
  )

  test('a command that says nothing for too long is given up', async () => {
    const transport = await connected(base)
    await expect(transport.exec('sleep 600', { silence: 50 })).rejects.toMatchObject({
      code: 'HOST_UNREACHABLE',
      message: expect.stringContaining('it has said nothing for'),
    })
    expect(await says(transport)).toBe('hello\n')
  })

  test('a flood on stderr does not hang a command, and one on stdout ends it', async () => {
    const transport = await connected(base)
    const { code, stderr } = await transport.exec('head -c 5000000 /dev/zero | tr "\\0" x >&2; echo end >&2')
    expect([code, stderr.length, stderr.slice(-5)]).toEqual([0, 65536, 'xend\n'])
    await expect(transport.exec('cat /dev/zero', { maxOutput: 1_000_000 })).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    })
  })

  test('an abort ends a dial and a command at once', async () => {
    const transport = await connected(base)
    const abort = new AbortController()
    const running = transport.exec('echo begun; sleep 600', { signal: abort.signal })
    abort.abort(new Error('stop'))
    await expect(running).rejects.toThrow('stop')
    await expect(connectSsh(base, { signal: abort.signal })).rejects.toThrow('stop')
  })
})

describe('a server in this process', () => {
  let sshd: TestSshd
  let base: Connection
  beforeAll(async () => {
    sshd = await startSshd()
    ends.push(() => sshd.close())
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

  test('a connection that was cut is made again by the next command', async () => {
    const transport = await connected(base)
    expect(await says(transport)).toBe('hello\n')
    const running = transport.exec('echo begun; sleep 600')
    await expect.poll(() => sshd.commands.at(-1)).toContain('sleep 600')
    sshd.cut()
    expect((await running).code).toBeUndefined()
    expect(await says(transport)).toBe('hello\n')
  })
})

describe('an address where no SSH server is', () => {
  const base: Connection = { host: '127.0.0.1', user: 'test', password: 'test', hostKey: 'x', dialErrorLimit: 1 }

  async function listening(onConnection: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
    const server = createServer(onConnection).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const sockets = new Set<Socket>()
    server.on('connection', (socket) => sockets.add(socket.on('error', () => {})))
    ends.push(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    return { server, port: (server.address() as AddressInfo).port }
  }

  test('is told from a host that is up', async () => {
    expect(await refusal({ ...base, port: 1 })).toMatch(
      /^HOST_UNREACHABLE: Cannot reach test@127.0.0.1:1: nothing listens on that port;/,
    )
    expect(await refusal({ ...base, host: 'no-such-host.invalid' })).toMatch(
      /^HOST_UNREACHABLE: .*its name is not known here/,
    )
  })

  test('a host that accepts and then says nothing is given up after perDialTimeout', async () => {
    const { port } = await listening(() => {})
    expect(await refusal({ ...base, port, perDialTimeout: 1 })).toMatch(
      /^HOST_UNREACHABLE: .*no answer on that port in 1 s/,
    )
  })

  test('is dialled as often as dialErrorLimit says, and no more', async () => {
    let dials = 0
    const { port } = await listening((socket) => {
      dials += 1
      socket.destroy()
    })
    expect(await refusal({ ...base, port, dialErrorLimit: 2 })).toMatch(/^HOST_UNREACHABLE: /)
    expect(dials).toBe(2)
  })

  test('another program that answers there is named as such', async () => {
    const { port } = await listening((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    expect(await refusal({ ...base, port })).toMatch(
      /^HOST_UNREACHABLE: .*check that it is up, and that an SSH server answers/,
    )
  })
})

/** A transport whose push loses its host before the stream's end. */
function interrupting(transport: Transport, interrupt: () => void): Transport {
  const exec: Transport['exec'] = (command, options = {}) => {
    if (!command.endsWith('pgoci-push') || typeof options.stdin !== 'object') return transport.exec(command, options)
    const source = options.stdin
    const stdin = Readable.from(
      (async function* () {
        let sent = Buffer.alloc(0)
        for await (const chunk of source) sent = Buffer.concat([sent, chunk as Buffer])
        yield sent.subarray(0, -700)
        interrupt()
        await new Promise(() => {})
      })(),
    )
    return transport.exec(command, { ...options, stdin })
  }
  return { ...transport, exec }
}
