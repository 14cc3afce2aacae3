import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { connect } from '../../src/host/connect.ts'
import type { Connection } from '../../src/host/connection.ts'
import { probe } from '../../src/host/probe.ts'
import { temporaryFolder } from '../support/folder.ts'
import { lacks, lacksRoot } from '../support/needs.ts'
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts'
import { atEnd, connected, refusal, without } from '../support/ssh.ts'
import { targetAt } from '../support/store.ts'

// What an sshd and its accounts may do to a login that is right, by either transport.
const transports = ['ssh2', 'openssh'] as const

/** What a probe says: `fine`, or the error. */
async function outcome(connection: Connection): Promise<string> {
  const transport = await connect(connection).catch((error: Error) => error)
  if (transport instanceof Error) return transport.message
  const target = targetAt('/tmp/pgoci-no-store', transport)
  const said = await probe(target, { verify: 'none' }).then(
    () => 'fine',
    (error: Error) => error.message,
  )
  await transport.close()
  return said
}

async function started(options: Parameters<typeof startOpenSsh>[0]): Promise<OpenSsh> {
  const sshd = await startOpenSsh(options)
  atEnd(() => sshd.close())
  return sshd
}

const instead = (printed: string) =>
  expect.stringMatching(
    `^Cannot run a script on .*: its sshd or login shell runs another command instead, which printed ${printed}; take ForceCommand \\(sshd_config\\) or command= \\(authorized_keys\\) away from this login`,
  )

describe.skipIf(lacks('/usr/sbin/sshd')).each(transports)('%s to a real sshd (needs openssh-server)', (transport) => {
  let sshd: OpenSsh
  let base: Connection
  beforeAll(async () => {
    sshd = await started({ settings: ['MaxStartups 100'] })
    base = { ...sshd.connection, transport }
  })
  const limited = (command: string) => ({ ...base, privateKeyPath: sshd.authorize(`command="${command}"`) })

  test('command= of authorized_keys is told by what it printed, escaped', async () => {
    expect(await outcome(limited('echo Backups only.'))).toEqual(instead('"Backups only\\."'))
    expect(await outcome(limited("printf '\\033[31mred'"))).toEqual(instead('"\\\\x1b\\[31mred"'))
    expect(await outcome(limited('true'))).toEqual(instead('nothing'))
    expect(await outcome(limited('echo go away >&2; exit 3'))).toMatch(
      /^Cannot run a shell on .*: go away; check .* no ForceCommand and no command= of authorized_keys is in the way$/,
    )
    expect(await outcome(limited('exit 255'))).toMatch(/^Cannot /)
  })

  test('a command= that runs what it was asked to is none of our business', async () => {
    expect(await outcome(limited('exec sh -c \\"$SSH_ORIGINAL_COMMAND\\"'))).toBe('fine')
  })

  test('ForceCommand that waits for input is told at its end', async () => {
    const forced = await started({ settings: ['ForceCommand internal-sftp', 'LogLevel VERBOSE'] })
    const way = await connected({ ...forced.connection, transport })
    const target = targetAt('/nowhere', way, { sudo: { password: 'secret' } })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let said: string | undefined
    const ended = probe(target, { verify: 'none' }).catch((error: Error) => {
      said = error.message
    })
    await expect.poll(forced.log).toContain('Starting session: forced-command')
    await expect.poll(() => vi.advanceTimersByTimeAsync(5000).then(() => said), { timeout: 60_000 }).toBeDefined()
    await ended
    vi.useRealTimers()
    expect(said).toEqual(instead('.*'))
  })

  test('MaxStartups turns logins away: they are tried again, and told when none is left', async () => {
    const narrow = await started({ settings: ['MaxStartups 1', 'LogLevel VERBOSE'] })
    const holder = connectSocket(narrow.port, '127.0.0.1')
    await once(holder, 'data')
    const connection = { ...narrow.connection, transport }
    expect(await refusal({ ...connection, dialErrorLimit: 2 })).toMatch(
      /^HOST_UNREACHABLE: .* it closed the connection before any login: its sshd takes no more at once \(MaxStartups,/,
    )
    const drops = () => narrow.log().split('drop connection').length - 1
    expect(drops()).toBe(2)
    const patient = outcome(without(connection, 'dialErrorLimit'))
    await expect.poll(drops).toBe(3)
    holder.destroy()
    expect(await patient).toBe('fine')
  })

  test('PermitTTY no, banners and messages of the day do not matter', async () => {
    const banner = join(temporaryFolder(), 'banner')
    writeFileSync(banner, 'BEGIN\nOK\tpgoci\n\u001b[2J'.repeat(300))
    const rude = await started({ settings: ['PermitTTY no', 'PrintMotd yes', `Banner ${banner}`] })
    expect(await outcome({ ...rude.connection, transport })).toBe('fine')
  })
})

const withoutAccounts = lacksRoot || lacks('/usr/sbin/sshd') || lacks('unshare')

describe.skipIf(withoutAccounts).each(transports)('%s to accounts (needs root and openssh-server)', (transport) => {
  let sshd: OpenSsh
  let base: Connection
  beforeAll(async () => {
    sshd = await started({
      settings: [
        'UsePAM yes',
        'KbdInteractiveAuthentication yes',
        'MaxStartups 100',
        'AllowUsers ana closed ended old',
      ],
      users: [
        { name: 'ana', password: 'pass word' },
        { name: 'closed', shell: '/usr/sbin/nologin' },
        { name: 'ended', expired: 19000 },
        { name: 'old', changed: 0, password: 'x' },
        { name: 'zoe' },
      ],
    })
    base = { ...sshd.connection, transport }
  })

  test('an account whose shell is nologin', async () => {
    expect(await outcome({ ...base, user: 'closed' })).toMatch(
      /: This account is currently not available\.; give the user a shell that runs commands, or connect as another one$/,
    )
  })

  test('an account that has expired', async () => {
    expect(await refusal({ ...base, user: 'ended' })).toMatch(
      transport === 'ssh2'
        ? /^HOST_UNREACHABLE: .*closed the connection at the login, saying ".*expired.*"; check there that the account/
        : /^HOST_UNREACHABLE: .*closed the connection at the login; check there that the account has not expired/,
    )
  })

  test('a password that has expired', async () => {
    expect(await outcome({ ...base, user: 'old' })).toMatch(
      /Your password has expired.*; change the user's password there, or connect as another one$/,
    )
  })

  test('a user whom AllowUsers leaves out is refused as any other is', async () => {
    expect(await refusal({ ...base, user: 'ana' })).toBe('connected')
    expect(await refusal({ ...base, user: 'zoe' })).toMatch(/^LOGIN_REFUSED: .*AllowUsers/)
    expect(sshd.log()).toContain('User zoe from 127.0.0.1 not allowed because not listed in AllowUsers')
  })

  if (transport !== 'openssh')
    test('a password by keyboard-interactive, which PAM asks for', async () => {
      const login = { ...without(base, 'privateKeyPath'), user: 'ana' }
      expect(await outcome({ ...login, password: 'pass word' })).toBe('fine')
      expect(sshd.log()).toContain('Accepted keyboard-interactive/pam for ana')
      expect(await refusal({ ...login, password: 'pass words' })).toMatch(/^LOGIN_REFUSED: .*tried: password;/)
    })
})
