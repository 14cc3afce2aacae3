import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { askHelper } from '../../src/oci/credential-helper.ts'
import { findCredential } from '../../src/oci/find-credential.ts'
import { authOf, loginOf, registryReference, userFiles, withoutSource } from '../support/user-files.ts'

const files = userFiles()
const ask = (name: string, options: { signal?: AbortSignal; patience?: number } = {}) =>
  askHelper(name, 'a.test', { file: '/home/me/config.json', env: files.environment.env, ...options })
const find = async (name: string) => withoutSource(await findCredential(registryReference(name), files.environment)({}))
const docker = (content: object) => files.write('home/.docker/config.json', content)
const answer = (username: string, secret: string) =>
  `cat >"$HOME.asked"; echo "$1" >"$HOME.verb"; echo '${JSON.stringify({ ServerURL: 'x', Username: username, Secret: secret })}'`
const asked = () => readFileSync(join(files.folder, 'home.asked'), 'utf8')

describe('which helper is asked, and for what', () => {
  test('the verb is "get", and the server comes on stdin', async () => {
    files.helper('x', answer('user', 'pass'))
    expect(await ask('x')).toEqual(loginOf('user:pass'))
    expect(asked()).toBe('a.test')
    expect(readFileSync(join(files.folder, 'home.verb'), 'utf8')).toBe('get\n')
  })

  test('"<token>" as the user means that the secret is an identity token', async () => {
    files.helper('x', answer('<token>', 'secret'))
    expect(await ask('x')).toEqual({ identityToken: 'secret' })
  })

  test("a host's own helper comes before its auths, these before the helper of all hosts", async () => {
    files.helper('own', answer('own', 'p'))
    files.helper('all', answer('all', 'p'))
    const auths = { 'a.test': authOf('file:p'), 'b.test': authOf('file:p'), 'c.test': {} }
    docker({ credHelpers: { 'a.test': 'own' }, auths, credsStore: 'all' })
    expect(await find('a.test/image')).toEqual(loginOf('own:p'))
    expect(await find('b.test/image')).toEqual(loginOf('file:p'))
    expect(await find('c.test/image')).toEqual(loginOf('all:p'))
    expect(await find('d.test:5000/image')).toEqual(loginOf('all:p'))
    expect(asked()).toBe('d.test:5000')
  })

  test.each([
    ['a.test', 'b.test/image'],
    ['a.test', 'a.test:5000/image'],
    ['a.test', 'aa.test/image'],
    ['a.test', 'sub.a.test/image'],
    ['a.test/image', 'a.test/image'],
  ])('the helper of %s is not asked for %s: hosts are compared whole', async (host, image) => {
    files.helper('own', answer('own', 'p'))
    docker({ credHelpers: { [host]: 'own' } })
    expect(await find(image)).toBeUndefined()
    expect(existsSync(join(files.folder, 'home.asked'))).toBe(false)
  })

  test('Docker Hub is asked for by the name its login was stored with', async () => {
    files.helper('x', answer('user', 'p'))
    docker({ credsStore: 'x' })
    expect(await find('postgres')).toEqual(loginOf('user:p'))
    expect(asked()).toBe('https://index.docker.io/v1/')
    docker({ credHelpers: { 'docker.io': 'x' } })
    await find('postgres')
    expect(asked()).toBe('docker.io')
  })

  test.each([
    ['the message for it', 'echo "credentials not found in native keychain"; exit 1'],
    ['the message without a failure', 'echo "credentials not found in native keychain"'],
    ['an empty login', `echo '{"ServerURL":"a.test","Username":"","Secret":""}'`],
    ['an empty object', 'echo "{}"'],
  ])('no login, as %s, is looked for in the next place', async (_, script) => {
    files.helper('x', script)
    docker({ credHelpers: { 'a.test': 'x' }, auths: { 'a.test': authOf('stale:p') } })
    expect(await find('a.test/image')).toBeUndefined()
    files.write('home/.dockercfg', { 'a.test': authOf('user:pass') })
    expect(await find('a.test/image')).toEqual(loginOf('user:pass'))
  })
})

describe('credential-helpers of registries.conf (containers-registries.conf.5)', () => {
  const configure = (list: string) => files.write('etc/containers/registries.conf', `credential-helpers = ${list}\n`)

  test('are asked in their order, and the files of logins where they are named', async () => {
    files.helper(
      'x',
      `read server; [ "$server" = a.test ] || { echo "credentials not found in native keychain"; exit 1; }; echo '{"Username": "helper", "Secret": "p"}'`,
    )
    docker({ auths: { 'a.test': authOf('file:p'), 'b.test': authOf('file:p') } })
    configure('["x", "containers-auth.json"]')
    expect(await find('a.test/image')).toEqual(loginOf('helper:p'))
    expect(await find('b.test/image')).toEqual(loginOf('file:p'))
    configure('["containers-auth.json", "x"]')
    expect(await find('a.test/image')).toEqual(loginOf('file:p'))
    configure('["x"]')
    expect(await find('b.test/image')).toBeUndefined()
    configure('[]')
    expect(await find('b.test/image')).toEqual(loginOf('file:p'))
  })

  test('one that cannot say is an error that names the file', async () => {
    const path = configure('["gone", "containers-auth.json"]')
    docker({ auths: { 'a.test': authOf('file:p') } })
    await expect(find('a.test/image')).rejects.toThrow(
      `"docker-credential-gone", which "${path}" names, is not on the PATH`,
    )
  })
})

describe('a helper that cannot say is an error, and never "no login" (CVE-2021-41092)', () => {
  const secret = 'hunter2'
  const failures: [string, string, number, string][] = [
    ['is not executable', `echo ${secret}`, 0o644, 'cannot be run (EACCES); run it by hand'],
    ['fails', `echo ${secret}; exit 1`, 0o755, 'ends with exit code 1; run it by hand'],
    [
      'fails and explains',
      'printf "no \\033[31mkey\\n" >&2; exit 3',
      0o755,
      'ends with exit code 3 and says "no \\x1b[31mkey"; run it by hand',
    ],
    ['dies', `echo ${secret}; kill -9 $$`, 0o755, 'is ended by SIGKILL; run it by hand'],
    ['prints nothing', 'exit 0', 0o755, 'prints no JSON of a login'],
    ['prints no JSON', `echo ${secret}`, 0o755, 'prints no JSON of a login'],
    ['prints other JSON', `echo '["${secret}"]'`, 0o755, 'prints no JSON of a login'],
    [
      'prints a login of other types',
      `echo '{"Username": 1, "Secret": "${secret}"}'`,
      0o755,
      'prints no JSON of a login',
    ],
    ['prints no user', `echo '{"Secret": "${secret}"}'`, 0o755, 'prints a login that lacks its half'],
    ['prints no secret', `echo '{"Username": "${secret}"}'`, 0o755, 'prints a login that lacks its half'],
    ['prints without end', `while :; do echo ${secret}; done`, 0o755, 'prints too much'],
    ['complains without end', `while :; do echo x >&2; done`, 0o755, 'prints too much'],
    [
      'prints a login and fails',
      `echo '{"Username": "u", "Secret": "${secret}"}'; exit 1`,
      0o755,
      'ends with exit code 1',
    ],
  ]
  test.each(failures)('when it %s', async (_, script, mode, why) => {
    files.helper('x', script, mode)
    const path = docker({ credHelpers: { 'a.test': 'x' } })
    files.write('home/.dockercfg', { 'a.test': authOf('user:pass') })
    const error = await find('a.test/image').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ProviderError)
    const { message } = error as ProviderError
    expect(message).toContain(
      `Cannot log in to a.test: the credential helper "docker-credential-x", which "${path}" names, ${why}`,
    )
    expect(message).not.toContain(secret)
    expect(message.length).toBeLessThan(700)
  })

  test('when there is none', async () => {
    await expect(ask('nowhere')).rejects.toThrow(
      'the credential helper "docker-credential-nowhere", which "/home/me/config.json" names, is not on the PATH; install it',
    )
  })

  test.each(['', '../x', '/bin/sh', 'a b', 'x;id', '-x', '$(id)', 'x\n', `${'x'.repeat(200)}`])(
    'when its name is %j, which is not even looked for',
    async (name) => {
      writeFileSync(join(files.folder, 'docker-credential-'), '')
      await expect(ask(name)).rejects.toThrow('has no proper name; correct that file')
    },
  )

  test('when it answers too late, and whoever it started goes on', async () => {
    files.helper('x', 'sleep 9 & sleep 9')
    await expect(ask('x', { patience: 100 })).rejects.toThrow('does not answer in 0.1 s; run it by hand')
  })

  test('a caller that gives up is not kept waiting', async () => {
    files.helper('x', `touch "$HOME.started"; exec sleep 9`)
    const controller = new AbortController()
    const asking = ask('x', { signal: controller.signal })
    controller.abort(new Error('Ctrl-C'))
    await expect(asking).rejects.toThrow('Ctrl-C')
    await expect(ask('x', { signal: controller.signal })).rejects.toThrow('Ctrl-C')
  })
})
