import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Link, startLink } from '../../bench/link.ts'
import { connect } from '../../src/host/connect.ts'
import type { Connection } from '../../src/host/connection.ts'
import { stalling } from '../support/damage.ts'
import { temporaryFolder } from '../support/folder.ts'
import { lacks } from '../support/needs.ts'
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts'
import { atEnd, connected, refusal, says } from '../support/ssh.ts'
import { startSshd } from '../support/sshd.ts'
import { completeState, imageOf, install, stagingOf, targetAt } from '../support/store.ts'

describe.skipIf(lacks('/usr/sbin/sshd'))('a real sshd (needs openssh-server)', () => {
  let sshd: OpenSsh
  let base: Connection
  beforeAll(async () => {
    sshd = await startOpenSsh({ settings: ['MaxSessions 8', 'MaxStartups 100'] })
    atEnd(() => sshd.close())
    base = sshd.connection
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
        {
          ...target,
          transport: stalling(
            transport,
            (stream) => stream.subarray(0, -700),
            () => expect(sshd.signalSessions(signal)).toBeGreaterThan(0),
          ),
        },
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

  describe('behind a link that is narrow', () => {
    // On such a link an answer waits longer than this behind what SSH lets be underway before its question, 2 MiB.
    const keepalive = { milliseconds: 500, count: 3 }
    let link: Link
    beforeAll(async () => {
      link = await startLink(sshd.port, 'narrow')
      atEnd(() => link.close())
    })
    const ways = () =>
      Promise.all(
        (['ssh2', 'openssh'] as const).map((transport) =>
          connected({ ...base, port: link.port, transport }, { keepalive }),
        ),
      )

    test('a host whose answers wait behind an upload is not lost', async () => {
      const bytes = 4 * 1024 ** 2
      const answers = (await ways()).map((way) => way.exec('wc -c', { stdin: 'x'.repeat(bytes) }))
      for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ code: 0, stdout: `${bytes}\n` })
    })

    test('a host that freezes in the middle of an upload is', async () => {
      let begun = 0
      const onOutput = () => {
        begun += 1
        if (begun === 2) sshd.signalSessions('SIGSTOP')
      }
      const running = (await ways()).map((way) =>
        way.exec('echo begun; cat >/dev/null', { stdin: Readable.from(endless(), { objectMode: false }), onOutput }),
      )
      const [ssh2, openssh] = await Promise.all(running)
      sshd.signalSessions('SIGCONT')
      expect(ssh2).toMatchObject({ code: undefined, lost: 'it has said nothing for 2 s' })
      expect(openssh).toMatchObject({ code: undefined, lost: 'ssh lost the connection' })
    })
  })

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
    await expect(connect(base, { signal: abort.signal })).rejects.toThrow('stop')
  })
})

test('a connection that was cut is made again by the next command', async () => {
  const sshd = await startSshd()
  atEnd(() => sshd.close())
  const { port, hostKey } = sshd
  const transport = await connected({ host: '127.0.0.1', port, user: 'test', password: 'test', hostKey })
  expect(await says(transport)).toBe('hello\n')
  const running = transport.exec('echo begun; sleep 600')
  await expect.poll(() => sshd.commands.at(-1)).toContain('sleep 600')
  sshd.cut()
  expect((await running).code).toBeUndefined()
  expect(await says(transport)).toBe('hello\n')
})

describe('an address where no SSH server is', () => {
  const base: Connection = { host: '127.0.0.1', user: 'test', password: 'test', hostKey: 'x', dialErrorLimit: 1 }

  async function listening(onConnection: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
    const server = createServer(onConnection).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const sockets = new Set<Socket>()
    server.on('connection', (socket) => sockets.add(socket.on('error', () => {})))
    atEnd(() => {
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
      /^HOST_UNREACHABLE: .*closed the connection before any login: .*, or no SSH server answers on that port;/,
    )
  })
})

function* endless(): Iterable<Buffer> {
  for (;;) yield Buffer.alloc(64 * 1024)
}
