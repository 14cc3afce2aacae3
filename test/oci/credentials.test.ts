import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { findCredential } from '../../src/oci/find-credential.ts'
import type { RegistrySettings } from '../../src/oci/settings.ts'
import { skopeo } from '../support/docker-registry.ts'
import { startRegistry } from '../support/fault-registry.ts'
import { goModule } from '../support/go-module.ts'
import { testWith } from '../support/needs.ts'
import { authOf, authsOf, loginOf, registryReference, userFiles, withoutSource } from '../support/user-files.ts'

const files = userFiles()
const found = (name: string, settings?: RegistrySettings) =>
  findCredential(registryReference(name), { ...files.environment, ...(settings ? { settings } : {}) })({})
const find = async (...both: Parameters<typeof found>) => withoutSource(await found(...both))
const docker = (content: unknown) => files.write('home/.docker/config.json', content)

describe('the order of places (containers-auth.json.5; C-oci 1.5)', () => {
  const places: [string, string, (env: NodeJS.ProcessEnv) => void][] = [
    [
      'the file that REGISTRY_AUTH_FILE names',
      'named.json',
      (env) => (env['REGISTRY_AUTH_FILE'] = join(files.folder, 'named.json')),
    ],
    [
      'XDG_RUNTIME_DIR',
      'runtime/containers/auth.json',
      (env) => (env['XDG_RUNTIME_DIR'] = join(files.folder, 'runtime')),
    ],
    [
      '/run, without XDG_RUNTIME_DIR',
      `run/containers/${process.getuid?.()}/auth.json`,
      (env) => delete env['XDG_RUNTIME_DIR'],
    ],
    [
      'XDG_CONFIG_HOME',
      'config/containers/auth.json',
      (env) => (env['XDG_CONFIG_HOME'] = join(files.folder, 'config')),
    ],
    ['~/.config, without XDG_CONFIG_HOME', 'home/.config/containers/auth.json', (env) => delete env['XDG_CONFIG_HOME']],
    ['DOCKER_CONFIG', 'docker/config.json', (env) => (env['DOCKER_CONFIG'] = join(files.folder, 'docker'))],
    ['~/.docker, without DOCKER_CONFIG', 'home/.docker/config.json', (env) => delete env['DOCKER_CONFIG']],
    ['~/.dockercfg', 'home/.dockercfg', () => {}],
  ]

  test.each(places)('%s', async (place, path, set) => {
    set(files.environment.env)
    const content = authsOf({ 'reg.example.com': 'user:pass' })
    expect(await find('reg.example.com/a')).toBeUndefined()
    files.write(path, place === '~/.dockercfg' ? content.auths : content)
    expect(await find('reg.example.com/a')).toEqual(loginOf('user:pass'))
  })

  test('the first place that has a login decides, and the stack comes before all of them', async () => {
    const order = places.filter(([place]) => !place.includes('without'))
    for (const [, , set] of order) set(files.environment.env)
    for (const [place, path] of order.toReversed()) {
      const content = authsOf({ 'reg.example.com': `user:${place}` })
      files.write(path, place === '~/.dockercfg' ? content.auths : content)
      expect(await find('reg.example.com/a')).toEqual(loginOf(`user:${place}`))
    }
    expect(await find('reg.example.com/a', { 'reg.example.com': { username: 'stack', password: 'p' } })).toEqual(
      loginOf('stack:p'),
    )
    expect(await find('reg.example.com/a', { 'reg.example.com': { identityToken: 't' } })).toEqual({
      identityToken: 't',
    })
    expect(await find('reg.example.com/a', { 'other.example.com': { identityToken: 't' } })).toEqual(
      loginOf(`user:${order[0]?.[0]}`),
    )
  })

  test('a file that has no login for the registry is passed over', async () => {
    files.write('home/.config/containers/auth.json', authsOf({ 'other.example.com': 'a:b' }))
    docker(authsOf({ 'reg.example.com': 'user:pass' }))
    expect(await find('reg.example.com/a')).toEqual(loginOf('user:pass'))
  })
})

test('a login says where it is from, for when it is refused', async () => {
  const path = docker(authsOf({ 'a.test': 'user:pass' }))
  expect((await found('a.test/image'))?.source).toBe(path)
  const settings = { 'a.test': { username: 'user', password: 'pass' } }
  expect((await found('a.test/image', settings))?.source).toBe('postgres-oci:registries')
  expect((await found('a.test/image', { 'a.test': { identityToken: 't' } }))?.source).toBe('postgres-oci:registries')
})

describe('a login in a file', () => {
  const keys: [string, string, string, boolean][] = [
    ['the host', 'reg.example.com', 'reg.example.com/team/image', true],
    ['host and port', 'reg.example.com:5000', 'reg.example.com:5000/image', true],
    ['another port', 'reg.example.com:5000', 'reg.example.com:5001/image', false],
    ['no port for one', 'reg.example.com', 'reg.example.com:5000/image', false],
    ['a port for none', 'reg.example.com:443', 'reg.example.com/image', false],
    ['a domain above', 'example.com', 'reg.example.com/image', false],
    ['a part of the host', 'example.com', 'evil-example.com/image', false],
    ['the host as a part', 'reg.example.com', 'reg.example.com.evil.test/image', false],
    ['the host as a user', 'https://reg.example.com@evil.test', 'reg.example.com/image', false],
    ['the host as a path', 'evil.test/reg.example.com', 'reg.example.com/image', false],
    ['a namespace', 'reg.example.com/team', 'reg.example.com/team/image', true],
    ['another namespace', 'reg.example.com/team', 'reg.example.com/teams/image', false],
    ['the repository', 'reg.example.com/team/image', 'reg.example.com/team/image', true],
    ['a repository below', 'reg.example.com/team/image', 'reg.example.com/team', false],
    ['a URL', 'https://reg.example.com/v1/', 'reg.example.com/image', true],
    ['a URL of plain http', 'http://reg.example.com', 'reg.example.com/image', true],
    ['a URL with a port', 'https://reg.example.com:5000/v2/', 'reg.example.com:5000/image', true],
    ['a URL of something else there', 'https://reg.example.com/other', 'reg.example.com/image', false],
    ["Docker Hub's URL", 'https://index.docker.io/v1/', 'docker.io/library/postgres', true],
    ['Docker Hub by its name', 'docker.io', 'postgres', true],
    ["Docker Hub's registry", 'registry-1.docker.io', 'postgres', true],
    ['a namespace of Docker Hub', 'docker.io/acme', 'acme/image', true],
    ['a namespace of Docker Hub, for another', 'docker.io/acme', 'postgres', false],
    ["Docker Hub's other tokens", 'https://index.docker.io/v1/refresh-token', 'postgres', false],
    ['a name that every object has', '__proto__', 'constructor.example.com/image', false],
  ]
  test.each(keys)('by %s: %s for %s is %s', async (_, key, image, fits) => {
    docker(`{"auths": {${JSON.stringify(key)}: ${JSON.stringify(authOf('user:pass'))}}}`)
    expect(await find(image)).toEqual(fits ? loginOf('user:pass') : undefined)
  })

  test('the most specific key wins (containers-auth.json.5), and a plain host comes before URLs', async () => {
    docker(
      authsOf({
        'https://a.test': 'u:url',
        'a.test': 'u:host',
        'a.test/b': 'u:namespace',
        'a.test/b/c': 'u:repository',
      }),
    )
    expect(await find('a.test/b/c')).toEqual(loginOf('u:repository'))
    expect(await find('a.test/b/d')).toEqual(loginOf('u:namespace'))
    expect(await find('a.test/d')).toEqual(loginOf('u:host'))
  })

  const entries: [string, object, object | undefined][] = [
    ['a password with colons', authOf('user:a:b:c'), loginOf('user:a:b:c')],
    ['an empty password', authOf('user:'), loginOf('user:')],
    ["Harbor's robot accounts", authOf('robot$team+ci:secret'), loginOf('robot$team+ci:secret')],
    ['letters of the whole world', authOf('usér:pässwörd'), loginOf('usér:pässwörd')],
    ['NULs at the end', authOf('user:pass\0\0\0'), loginOf('user:pass')],
    ['an auth in lines', { auth: `${authOf('user:pass').auth}\r\n` }, loginOf('user:pass')],
    ['separate fields', { username: 'user', password: 'p:w' }, loginOf('user:p:w')],
    ['auth before separate fields', { ...authOf('user:pass'), username: 'x', password: 'y' }, loginOf('user:pass')],
    [
      'an identity token',
      { ...authOf('00000000-0000-0000-0000-000000000000:'), identitytoken: 't' },
      { identityToken: 't' },
    ],
    ["a helper's marker", {}, undefined],
    ["a helper's marker with what nobody knows", { auth: '', email: 'x@example.com' }, undefined],
  ]
  test.each(entries)('as %s', async (_, entry, expected) => {
    docker({ auths: { 'a.test': entry }, HttpHeaders: { 'User-Agent': 'x' }, psFormat: 'x' })
    expect(await find('a.test/image')).toEqual(expected)
  })
})

describe('a file that is broken is an error that names it and shows nothing of it', () => {
  const secret = 'hunter2'
  const contents: [string, unknown, string][] = [
    ['no JSON', `Json rocks! Unless it holds ${secret}`, 'it is no JSON'],
    ['nothing', '', 'it is no JSON'],
    ['half a file', '{"auths": {"a.test": {"auth": "aHVudGVyMg', 'it is no JSON'],
    ['a list', [secret], 'it is malformed at the top'],
    ['text', JSON.stringify(secret), 'it is malformed at the top'],
    ['auths that are a list', { auths: [secret] }, 'it is malformed at auths'],
    ['an entry that is text', { auths: { [secret]: secret } }, 'it is malformed at auths.…'],
    ['an auth that is a number', { auths: { [secret]: { auth: 1 } } }, 'it is malformed at auths.….auth'],
    ['helpers that are a list', { credHelpers: [secret] }, 'it is malformed at credHelpers'],
    ['a store that is an object', { credsStore: { secret } }, 'it is malformed at credsStore'],
    ['an auth that is no base64', { auths: { 'a.test': { auth: `!${secret}` } } }, 'an auth in it is no base64'],
    ['an auth that is cut', { auths: { 'a.test': { auth: 'aHVudGVyMg' } } }, 'an auth in it is no base64'],
    [
      'an auth without a colon',
      { auths: { 'a.test': authOf(secret) } },
      'an auth in it is not the base64 of user:password',
    ],
    [
      'an auth without a user',
      { auths: { 'a.test': authOf(`:${secret}`) } },
      'an auth in it is not the base64 of user:password',
    ],
    ['more than a mebibyte', { auths: {}, [secret]: 'x'.repeat(1024 * 1024) }, 'it is larger than 1 MiB'],
  ]
  test.each(contents)('%s', async (_, content, why) => {
    const path = docker(content)
    const error = await find('a.test/image').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ProviderError)
    const { message } = error as ProviderError
    expect(message).toContain(`Cannot use "${path}": ${why}`)
    expect(message).toMatch(/; correct it, or move it away$/)
    expect(message).not.toContain(secret)
    expect(message).not.toContain('aHVudGVyMg')
  })

  test('a folder, and a FIFO that nobody writes to', async () => {
    const path = join(files.folder, 'home/.docker/config.json')
    mkdirSync(path, { recursive: true })
    await expect(find('a.test/image')).rejects.toThrow(`Cannot use "${path}": it is no file`)
    rmSync(path, { recursive: true })
    execFileSync('mkfifo', [path])
    await expect(find('a.test/image')).rejects.toThrow(`Cannot use "${path}": it is no file`)
  })

  test('what an earlier place answers is not held up by a broken later one', async () => {
    docker('broken')
    files.write('home/.config/containers/auth.json', authsOf({ 'a.test': 'user:pass' }))
    expect(await find('a.test/image')).toEqual(loginOf('user:pass'))
  })
})

/** What containers/image's own tests expect of these files (pkg/docker/config/config_test.go, v5.42.0). */
const fixtures: [string, string, object | undefined][] = [
  ['empty.json', 'localhost:5000/a', undefined],
  ['example.json', 'example.org/a', loginOf('example:org')],
  ['example.json', 'example.com/a', undefined],
  ['example_identitytoken.json', 'example.org/a', { identityToken: 'some very long identity token' }],
  ['full.json', 'example.org/a', loginOf('example:org')],
  ['full.json', 'docker.io/a/b', loginOf('docker:io')],
  ['full.json', 'localhost/a', loginOf('local:host')],
  ['full.json', 'localhost:5000/a', loginOf('local:host-5000')],
  ['full.json', '10.10.30.45/a', loginOf('10.10:30.45')],
  ['full.json', '10.10.30.45:5000/a', loginOf('10.10:30.45-5000')],
  ['full.json', 'normalize.example.org/a', loginOf('normalize:example')],
  ['abnormal.json', 'example.org/a', loginOf('example:org')],
  ['abnormal.json', 'docker.io/a/b', loginOf('index:docker.io')],
  ['abnormal.json', '127.0.0.1:5000/a', loginOf('127.0:0.1-5000')],
  ['abnormal.json', 'localhost/a', loginOf('local:host')],
  ['abnormal.json', 'localhost:5000/a', loginOf('local:host-5000')],
  ['abnormal.json', 'localhost:5001/a', loginOf('local:host-5001')],
  ['refpath.json', 'example.org/repo/image', loginOf('example:org')],
  ['refpath.json', 'example.org/repo', loginOf('example:org')],
  ['refpath.json', 'example.org/image', loginOf('local:host')],
  ['refpath.json', 'docker.io/library/busybox', loginOf('library:busybox')],
  ['refpath.json', 'docker.io/library/notbusybox', loginOf('library:other')],
  ['refpath.json', 'docker.io/vendor/product', loginOf('first:level')],
  ['refpath.json', 'docker.io/other-vendor/other-product', loginOf('top:level')],
]
testWith('go')('the files of containers/image mean to us what they mean to Podman', async () => {
  const testdata = join(goModule('image'), 'pkg/docker/config/testdata')
  for (const [file, image, expected] of fixtures) {
    docker(readFileSync(join(testdata, file), 'utf8'))
    expect(await find(image), `${image} in ${file}`).toEqual(expected)
  }
  rmSync(join(files.folder, 'home/.docker'), { recursive: true })
  files.write('home/.dockercfg', readFileSync(join(testdata, 'legacy.json'), 'utf8'))
  expect(await find('localhost/a')).toEqual(loginOf('local:host-legacy'))
  expect(await find('postgres')).toEqual(loginOf('docker:io-legacy'))
})

testWith('go', 'bash')("the credential helper of containers/image's tests is understood", async () => {
  const name = 'docker-credential-helper-registry'
  mkdirSync(join(files.folder, 'bin'))
  copyFileSync(join(goModule('image'), 'pkg/docker/config/testdata', name), join(files.folder, 'bin', name))
  chmodSync(join(files.folder, 'bin', name), 0o755)
  docker({ credsStore: 'helper-registry' })
  expect(await find('registry-a.com/a')).toEqual(loginOf('foo:bar'))
  expect(await find('registry-b.com/a')).toEqual({ identityToken: 'fizzbuzz' })
  expect(await find('registry-no-creds.com/a')).toBeUndefined()
  expect(await find('registry-c.com/a')).toBeUndefined()
  rmSync(join(files.folder, 'home/.docker'), { recursive: true })
  const conf = readFileSync(join(goModule('image'), 'pkg/docker/config/testdata/cred-helper.conf'), 'utf8')
  files.write('etc/containers/registries.conf', conf)
  expect(await find('registry-a.com/a')).toEqual(loginOf('foo:bar'))
  expect(await find('registry-b.com/a')).toEqual({ identityToken: 'fizzbuzz' })
})

testWith('skopeo')('what skopeo login writes is read: for a registry, and for a namespace of it', async () => {
  const accounts = { user: 'p:w', robot$team: 'of-team' }
  const registry = await startRegistry({}, [], { login: { kind: 'basic', accounts } })
  const path = join(files.folder, 'home/.config/containers/auth.json')
  mkdirSync(join(files.folder, 'home/.config/containers'), { recursive: true })
  const logIn = (user: keyof typeof accounts, place: string) =>
    skopeo(files.folder, 'login', '--tls-verify=false', '--authfile', path, '-u', user, '-p', accounts[user], place)
  try {
    await logIn('user', registry.host)
    await logIn('robot$team', `${registry.host}/team`)
  } finally {
    await registry.close()
  }
  expect(await find(`${registry.host}/other/image`)).toEqual(loginOf('user:p:w'))
  expect(await find(`${registry.host}/team/image`)).toEqual(loginOf('robot$team:of-team'))
  expect(await find('127.0.0.1:1/team/image')).toBeUndefined()
})
