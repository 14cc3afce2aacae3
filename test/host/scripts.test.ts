import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { localTransport } from '../../src/host/local.ts'
import { probe } from '../../src/host/probe.ts'
import type { Transport } from '../../src/host/transport.ts'
import { commandLine, scriptLine, type Verb, verbText } from '../../src/host/verb.ts'
import { temporaryFolder } from '../support/folder.ts'
import { lacks, lacksRoot } from '../support/needs.ts'
import { completeState, imageOf, install, targetAt } from '../support/store.ts'

const distribution = imageOf({ 'root/bin/postgres*': 'server', 'live/lib/plain.so*': 'plain' }, { distribution: true })
const verbs: Verb[] = ['probe', 'push', 'remove', 'survey', 'inventory', 'attach']

test.skipIf(lacks('shellcheck')).each(verbs)('%s is clean under shellcheck (needs shellcheck)', (verb) => {
  const { stdout, status } = spawnSync('shellcheck', ['--shell=sh', '--severity=style', '-'], { input: verbText(verb) })
  expect(stdout.toString()).toBe('')
  expect(status).toBe(0)
})

test.each(verbs)('%s arrives on the host as it is written, less its comments', (verb) => {
  const words = ["it's", 'a\\b', 'two\nlines', 'tab\t!$(x)`y`', 'ünï']
  const line = scriptLine('# comment\nprintf "%s\\n" "$@"\n  # comment\nprintf \'\\t.\'\n', words)
  expect(line.indexOf('\n')).toBe(line.length - 1)
  const { stdout } = spawnSync('sh', ['-c', commandLine(verb)], { input: `${line}rest` })
  expect(stdout.toString()).toBe(`${words.join('\n')}\n\t.`)
})

test('a script takes its own line of stdin and not a byte more', () => {
  const { stdout } = spawnSync('sh', ['-c', commandLine('push')], { input: `${scriptLine('cat', [])}rest` })
  expect(stdout.toString()).toBe('rest')
})

test('a script that arrives cut is not begun', () => {
  const line = scriptLine('echo begun', []).slice(0, -1)
  expect(spawnSync('sh', ['-c', commandLine('push')], { input: line }).stdout.toString()).toBe('')
})

describe('whatever the login shell is', () => {
  const shells = ['csh', 'tcsh', 'fish', 'mksh', 'bash', 'dash']
  for (const shell of shells) {
    test.skipIf(lacks(shell))(`a store is kept through ${shell} (needs ${shell})`, async () => {
      const transport = localTransport({ shell: [shell] })
      const target = targetAt(join(temporaryFolder(), "it's a\\store!"), transport, { holder: "o'tester!@\\here" })
      await install(target, { distribution })
      expect(completeState(target.root)?.generation).toBe(1)
      expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
    })
  }

  test('rc files may print, on both channels, before and after, and change what cd and tar do', async () => {
    const decoy = temporaryFolder()
    const transport = loginBy(`
      echo "Welcome to db1"; echo "BEGIN"; echo "OK"; printf "no newline"
      head -c 3000000 /dev/zero | tr "\\0" x >&2
      export CDPATH=${decoy} TAR_OPTIONS=--verbose GREP_OPTIONS=--color=always LC_ALL=tr_TR.UTF-8
      sh "$@"; code=$?
      echo "logout"; echo "FAIL me"; exit $code`)
    const target = targetAt(join(temporaryFolder(), 'store'), transport)
    await install(target, { distribution })
    // Where CDPATH leads, everything has the same name and is damaged.
    cpSync(target.root, decoy, { recursive: true })
    for (const tree of readdirSync(join(decoy, 'trees')))
      rmSync(join(decoy, 'trees', tree, 'bin'), { recursive: true, force: true })
    expect(completeState(target.root)?.generation).toBe(1)
    expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
  })

  test('an account without a shell is told with its own words', async () => {
    const transport = loginBy('echo "This account is currently not available."; exit 1')
    await expect(probe(targetAt('/nowhere', transport), { verify: 'none' })).rejects.toMatchObject({
      code: 'HOST_REFUSED',
      message: expect.stringMatching(
        /^Cannot run a shell on localhost: This account is currently not available\.; give the user a shell/,
      ),
    })
  })

  test('what a host says cannot draw on the terminal', async () => {
    const transport = loginBy('printf "\\033[31mred\\007" >&2; exit 1')
    const message = await probe(targetAt('/nowhere', transport), { verify: 'none' }).catch(
      (error: Error) => error.message,
    )
    expect(message).toContain('\\x1b[31mred\\x07')
  })
})

describe('sudo', () => {
  const withoutSudo = lacksRoot || lacks('sudo')
  const failure = (transport: Transport) =>
    probe(targetAt(join(temporaryFolder(), 'store'), transport, { sudo: true }), { verify: 'none' }).then(
      () => 'no failure',
      (error: Error) => error.message,
    )

  test.skipIf(withoutSudo)('without a password is enough (needs root and sudo)', async () => {
    const transport = asNobodyWithSudoers('nobody ALL=(ALL) NOPASSWD: ALL')
    const target = targetAt(join(temporaryFolder(), 'store'), transport, { sudo: true })
    await install(target, { distribution })
    expect(completeState(target.root)?.generation).toBe(1)
    const plain = { ...target, sudo: false }
    await expect(
      install(plain, { distribution: imageOf({ 'root/x': 'x' }, { distribution: true }) }),
    ).rejects.toMatchObject({
      code: 'HOST_REFUSED',
      message: expect.stringContaining('nobody may not write to'),
    })
  })

  test.skipIf(withoutSudo)(
    'that wants a password or a terminal says what to change (needs root and sudo)',
    async () => {
      expect(await failure(asNobodyWithSudoers('nobody ALL=(ALL) ALL'))).toBe(
        'Cannot become root on localhost: sudo: a password is required; set sudoPassword, connect as root, or give the user NOPASSWD for all commands in its sudoers',
      )
      expect(await failure(asNobodyWithSudoers('Defaults requiretty\nnobody ALL=(ALL) NOPASSWD: ALL'))).toMatch(
        /^Cannot become root on localhost: .*tty.*; put "Defaults:USER !requiretty" into its sudoers/,
      )
      expect(await failure(asNobodyWithSudoers('nobody ALL=(ALL) NOPASSWD: /usr/bin/apt'))).toMatch(
        /NOPASSWD for all commands/,
      )
    },
  )

  test.skipIf(withoutSudo)('with a password: sent once, when it is asked for (needs root and sudo)', async () => {
    const secret = 'pass word\'$"\\'
    const execs: string[] = []
    const counted = (transport: Transport): Transport => ({
      ...transport,
      exec: (command, options) => {
        execs.push(command)
        return transport.exec(command, options)
      },
    })
    const asking = counted(asNobodyWithSudoers('nobody ALL=(ALL) ALL', secret))
    const target = targetAt(join(temporaryFolder(), 'store'), asking, { sudo: { password: secret } })
    await install(target, { distribution })
    expect(completeState(target.root)?.generation).toBe(1)
    expect(execs.join()).not.toContain('pass word')
    // A host that asks for none gets none: as the first line of the script, it would be run.
    const free = asNobodyWithSudoers('nobody ALL=(ALL) NOPASSWD: ALL', secret)
    await install({ ...target, transport: free }, { distribution: imageOf({ 'root/x': 'x' }, { distribution: true }) })
    expect(completeState(target.root)?.generation).toBe(2)
    execs.length = 0
    for (const _ of ['first', 'second']) {
      const error = await probe({ ...target, sudo: { password: 'wrong' } }, { verify: 'none' }).catch((one) => one)
      expect(error).toMatchObject({
        code: 'LOGIN_REFUSED',
        message: 'Cannot become root on localhost: sudo does not take sudoPassword; correct it',
      })
    }
    expect(execs.length).toBe(1)
    const denied = asNobodyWithSudoers('root ALL=(ALL) ALL', secret)
    await expect(probe({ ...target, transport: denied }, { verify: 'none' })).rejects.toThrow(
      /not in the sudoers file.*; give the user sudo rights there for all commands/,
    )
  })

  test('that is not there says so', async () => {
    const transport = loginBy('PATH=/nowhere; export PATH; /bin/sh "$@"')
    expect(await failure(transport)).toMatch(
      /^Cannot become root on localhost: .*not found; install sudo there, or connect as root/,
    )
  })
})

/** A login whose shell does this; `"$@"` is what sshd gives it: `-c` and the command line. */
function loginBy(script: string): Transport {
  const file = join(temporaryFolder(), 'shell')
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
  return localTransport({ shell: [file] })
}

/** A login of "nobody" on a machine with these sudoers and this password, which only its own mount namespace sees. */
function asNobodyWithSudoers(sudoers: string, password?: string): Transport {
  const folder = temporaryFolder()
  const put = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), 0o440)
    return `mount --bind ${join(folder, name)} /etc/${name} &&`
  }
  const hash =
    password === undefined ? '*' : spawnSync('openssl', ['passwd', '-6', '-stdin'], { input: password }).stdout
  const mounts = [put('sudoers', `${sudoers}\n`), put('shadow', `nobody:${String(hash).trim()}:19000:0:99999:7:::\n`)]
  return loginBy(`exec unshare --mount sh -c '${mounts.join(' ')}
    exec setpriv --reuid=65534 --regid=65534 --clear-groups sh "$@"' sh "$@"`)
}
