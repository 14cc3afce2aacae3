import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createConnection, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { lacks } from '../support/needs.ts'
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'
import { processes } from '../support/process.ts'
import { TestStack } from '../support/pulumi.ts'
import { completeState, stagingOf } from '../support/store.ts'

// By the real CLI and this machine's ssh: a certificate as the only login, an alias, a ProxyCommand. In chapters.
const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const { root, connection, extension } = new pulumi.Config().requireObject('all')
const pg = new Distribution('pg18', { connection, root, image: 'oci:./images:pg18' })
new Extension('hstore', { distribution: pg, image: 'oci:./images:' + extension })
`

describe.skipIf(lacks('/usr/sbin/sshd'))('transport "openssh" (needs openssh-server)', () => {
  let sshd: OpenSsh
  let gate: Gate
  let stack: TestStack
  const folder = temporaryFolder()
  const [root, config] = [join(folder, 'store'), join(folder, 'config')]
  const declare = (extension: string) => {
    const connection = { host: 'db1', transport: 'openssh', sshConfig: config, hostKey: sshd.hostKeys.ed25519 }
    return stack.set('all', JSON.stringify({ root, connection, extension }))
  }
  const up = (...words: string[]) => stack.expect(0, 'up', '--yes', '--skip-preview', ...words)

  beforeAll(async () => {
    const [authority, key] = ['authority', 'id'].map((name) => {
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)])
      return join(folder, name)
    })
    const settings = [`TrustedUserCAKeys ${authority}.pub`, 'AuthorizedKeysFile none']
    sshd = await startOpenSsh({ settings })
    const { user = '' } = sshd.connection
    const words = ['-q', '-s', `${authority}`, '-I', 'deploy', '-n', user, '-V', '+1h', `${key}.pub`]
    execFileSync('ssh-keygen', words)
    gate = await startGate(sshd.port)
    const relay = `const s = require("net").connect(${gate.port}, "127.0.0.1"); process.stdin.pipe(s).pipe(process.stdout)`
    writeFileSync(
      config,
      `Host db1\n  User ${user}\n  IdentityFile ${key}\n  ProxyCommand ${process.execPath} -e '${relay}'\n`,
    )
    stack = new TestStack(program, { main: 'index.mjs' })
    await stack.init()
    const hstore = extensionFiles('hstore')
    await writeLayout(join(stack.folder, 'images'), [
      { tag: 'pg18', files: distributionFiles() },
      { tag: 'hstore', files: hstore },
      { tag: 'large', files: new Map([...hstore, ['share/postgresql/extension/large.sql', randomBytes(4_000_000)]]) },
    ])
  })

  afterAll(async () => {
    stack?.remove()
    gate?.server.close()
    await sshd?.close()
  })

  test('up installs, and the next one has nothing to do', async () => {
    await declare('hstore')
    await up()
    expect(completeState(root, 'pg18')?.generation).toBeGreaterThan(0)
    expect(existsSync(join(root, 'instances/pg18/live'))).toBe(true)
    await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
    expect(sshd.log()).toMatch(/Accepted publickey for .* ED25519-CERT/)
  })

  test('Seen: drift is told and repaired', async () => {
    const module = join(root, 'instances/pg18/current/live/lib/hstore.so')
    chmodSync(module, 0o644)
    appendFileSync(module, 'x')
    const { code, output } = await stack.run('preview', '--refresh', '--expect-no-changes', '--diff')
    expect(code).not.toBe(0)
    expect(output).toContain('modified lib/hstore.so')
    await up('--refresh')
    await stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
  })

  test('Atomic: an ssh that is killed in the middle of a push loses nothing, and the next run finishes', async () => {
    const before = completeState(root, 'pg18')
    await declare('large')
    const stopped = gate.stopAfter(2_000_000)
    const cut = stack.run('up', '--yes', '--skip-preview')
    await stopped
    const masters = processes().filter(({ command }) => command.startsWith('ssh -F') && command.includes(config))
    expect(masters).toHaveLength(1)
    for (const { pid } of masters) process.kill(pid, 'SIGKILL')
    const { code, output } = await cut
    expect(code).not.toBe(0)
    expect(output).toMatch(/Cannot tell what happened on .*db1: its answer stopped short .*run it again/)
    expect(completeState(root, 'pg18')).toEqual(before)
    gate.open()
    await up()
    expect(completeState(root, 'pg18')?.generation).toBe((before?.generation ?? 0) + 1)
    expect(stagingOf(root)).toEqual([])
  })

  test('destroy leaves the store empty, and no ssh stays behind', async () => {
    await stack.expect(0, 'destroy', '--yes', '--skip-preview')
    expect(readdirSync(root).sort()).toEqual(['FORMAT', 'lock'])
    await expect.poll(() => processes().filter(({ command }) => command.includes(config))).toEqual([])
  })
})

interface Gate {
  readonly server: Server
  readonly port: number
  /** Lets no more than this many bytes through to the host; resolves when it has stopped. */
  stopAfter(bytes: number): Promise<void>
  open(): void
}

/** A way to a port, which may be closed in the middle of a stream. */
async function startGate(port: number): Promise<Gate> {
  let left = Number.POSITIVE_INFINITY
  let stopped = () => {}
  const server = createServer((near) => {
    const far = createConnection({ port, host: '127.0.0.1' })
    far.pipe(near)
    near.on('data', (chunk) => {
      left -= chunk.length
      if (left >= 0) far.write(chunk)
      else stopped()
    })
    near.on('close', () => far.destroy()).on('error', () => {})
    far.on('close', () => near.destroy()).on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    port: (server.address() as AddressInfo).port,
    stopAfter: (bytes) => {
      left = bytes
      return new Promise((resolve) => {
        stopped = resolve
      })
    },
    open: () => {
      left = Number.POSITIVE_INFINITY
    },
  }
}
