import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Connection } from '../../src/host/connection.ts'
import { withSshConfig } from '../../src/host/ssh-config.ts'
import { temporaryFolder } from '../support/folder.ts'
import { lacks } from '../support/needs.ts'
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts'
import { atEnd, connected, refusal, says } from '../support/ssh.ts'

const folder = temporaryFolder()
const known = join(folder, 'known')
let files = 0

/** An ssh_config file. */
function config(text: string): string {
  files += 1
  const path = join(folder, `config-${files}`)
  writeFileSync(path, text)
  return path
}

afterEach(() => vi.unstubAllEnvs())

describe.skipIf(lacks('/usr/sbin/sshd'))('aliases of an ssh_config file (needs openssh-server)', () => {
  let sshd: OpenSsh
  let target: string
  beforeAll(async () => {
    sshd = await startOpenSsh({ settings: ['MaxStartups 100'] })
    atEnd(() => sshd.close())
    writeFileSync(known, `db-one ${sshd.hostKeys.ed25519}\n`)
    target = `
      HostName 127.0.0.1
      Port ${sshd.port}
      User ${sshd.connection.user}
      IdentityFile ${sshd.key}
      UserKnownHostsFile ${known}
      HostKeyAlias db-one
    `
  })

  test('HostName, Port, User, IdentityFile, UserKnownHostsFile and HostKeyAlias reach the host', async () => {
    const included = config(`Host db?\n${target}`)
    const sshConfig = config(`Include ${included}\n`)
    for (const transport of ['ssh2', 'openssh'] as const)
      expect(await says(await connected({ host: 'db1', sshConfig, transport }))).toBe('hello\n')
    expect(await refusal({ host: 'db1', sshConfig, user: 'nobody-at-all' })).toMatch(
      /^LOGIN_REFUSED: .* nobody-at-all@/,
    )
    expect(await refusal({ host: 'db1', sshConfig, hostKey: 'ssh-ed25519 AAAA' })).toMatch(
      /^HOST_KEY_REFUSED: .*not the one in connection\.hostKey/,
    )
  })

  test('ProxyJump leads through a chain, each host of it by its own block', async () => {
    const sshConfig = config(
      `Host db1 jump1 jump2\n${target}\nHost jump1\n  ProxyJump jump2\nHost db1\n  ProxyJump jump1\nHost db2\n  ProxyJump jump2,jump1\n${target}`,
    )
    for (const host of ['db1', 'db2']) {
      const { proxy } = await withSshConfig<Connection>({ host, sshConfig })
      expect(proxy).toMatchObject({ host: '127.0.0.1', port: sshd.port, proxy: { host: '127.0.0.1', port: sshd.port } })
      expect(proxy?.proxy?.proxy).toBeUndefined()
      expect(await says(await connected({ host, sshConfig }))).toBe('hello\n')
    }
  })

  test('a name that DNS does not know, but ~/.ssh/config, is told with what to set', async () => {
    vi.stubEnv('HOME', folder)
    mkdirSync(join(folder, '.ssh'))
    writeFileSync(join(folder, '.ssh/config'), 'Host db1-of-shop\n  HostName 10.1.2.3\n')
    expect(await refusal({ host: 'db1-of-shop', dialErrorLimit: 1, password: 'x' })).toMatch(
      /^HOST_UNREACHABLE: Cannot reach "db1-of-shop": DNS does not know it, but ~\/\.ssh\/config has it as an alias of "10\.1\.2\.3"; set sshConfig: "~\/\.ssh\/config"/,
    )
  })
})

test.each([
  ['ProxyCommand nc %h %p', /sets proxycommand, .* set transport: "openssh"/],
  ['CertificateFile ~/id-cert.pub', /sets certificatefile, .* set transport: "openssh"/],
  ['ProxyJump db1', /jumps over more than 5 hosts/],
  ['Prot 22', /^Cannot read ".*": .*Bad configuration option: prot.*; correct it$/],
])('%s is refused', async (line, message) => {
  const sshConfig = config(`Host db1\n  HostName 10.1.2.3\n  ${line}\n`)
  await expect(withSshConfig({ host: 'db1', sshConfig })).rejects.toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringMatching(message),
  })
})

test('what the connection says comes first', async () => {
  const sshConfig = config(
    'Host db1\n  HostName 10.1.2.3\n  Port 2222\n  User ana\n  IdentityFile /nowhere\n  ProxyJump other\n',
  )
  const own = { user: 'deploy', port: 22, privateKeyPath: '/key', hostKey: 'ssh-ed25519 AAAA', proxy: { host: 'jump' } }
  expect(await withSshConfig<Connection>({ host: 'db1', sshConfig, ...own })).toEqual({
    host: '10.1.2.3',
    sshConfig,
    ...own,
  })
})

test('a file that is not there is refused', async () => {
  await expect(withSshConfig({ host: 'db1', sshConfig: '/nowhere/config' })).rejects.toMatchObject({
    code: 'BAD_INPUT',
  })
})
