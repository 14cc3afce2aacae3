import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import type { Credential, FindCredential } from '../../src/oci/credential.ts'
import { registrySource } from '../../src/oci/registry.ts'
import type { Source } from '../../src/oci/source.ts'
import { errors, type RegistryOptions, startRegistry, status, type TestRegistry } from '../support/fault-registry.ts'
import { blobsOf, image } from '../support/layout.ts'
import { type Listening, listen, type Serve } from '../support/registry/listen.ts'
import { end } from '../support/tar.ts'

const made = image([end, Buffer.alloc(100_000, 'x')])
const layers = made.layers
/** Harbor's robots have a dollar sign; a colon ends the name and not the password. */
const robot = { username: 'robot$x', password: 'pa:ss wörd' }
const accounts = { [robot.username]: robot.password }
const basicOf = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

const open: { close(): Promise<void> }[] = []
let lookups: number
beforeEach(() => {
  lookups = 0
})
afterEach(async () => {
  vi.useRealTimers()
  for (const one of open.splice(0)) await one.close()
})

async function start(options: RegistryOptions): Promise<TestRegistry> {
  const registry = await startRegistry({ one: made.manifest }, blobsOf(made), options)
  open.push(registry)
  return registry
}

/** A server of any behaviour, and what it was asked: method, path and Authorization. */
async function serving(serve: Serve): Promise<Listening & { asked: string[] }> {
  const asked: string[] = []
  const record = ({ method, url = '', headers }: Parameters<Serve>[0]) =>
    void asked.push(`${method} ${url.split('?')[0]} ${headers.authorization ?? '-'}`)
  const server = await listen(serve, { record })
  open.push(server)
  return { ...server, asked }
}

const found =
  (credential: Credential | undefined): FindCredential =>
  async () => {
    lookups += 1
    return credential
  }

function sourceAt(host: string, credential?: FindCredential, log?: (line: string) => void): Source {
  const reference = { transport: 'registry' as const, registry: host, repository: 'team/image' }
  const wait = async () => {}
  return registrySource(reference, { setting: { insecure: true }, credential, log, network: { wait } })
}

async function read(source: Source, at = 0): Promise<boolean> {
  const layer = layers[at] as (typeof layers)[0]
  const chunks: Buffer[] = []
  for await (const chunk of await source.blob(layer)) chunks.push(chunk)
  return Buffer.concat(chunks).equals(layer.bytes)
}

async function refusal(run: Promise<unknown>): Promise<string> {
  const error = await run.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ProviderError)
  expect((error as ProviderError).code).toBe('REGISTRY_REFUSED')
  expect((error as ProviderError).message).toMatch(/^Cannot [^\n]*; [^\n]*[a-z]$/)
  return (error as ProviderError).message
}

test('who asks for no login gets none, and nobody looks one up', async () => {
  const { host, records } = await start({})
  const source = sourceAt(host, found(robot))
  await source.resolve('one')
  expect(await read(source)).toBe(true)
  expect(lookups).toBe(0)
  expect(records.filter(({ headers }) => headers.authorization)).toEqual([])
})

test.each(['basic', 'bearer'] as const)('a %s login reads an image, and only its registry sees it', async (kind) => {
  const { host, records } = await start({ redirect: true, login: { kind, accounts } })
  const source = sourceAt(host, found(robot))
  const { digest } = await source.resolve('one')
  expect((await source.manifest(digest)).length).toBe(made.manifest.size)
  expect(await Promise.all([read(source, 0), read(source, 1)])).toEqual([true, true])
  expect(lookups).toBe(1)
  const sent = (server: string) => [
    ...new Set(records.filter((one) => one.server === server).map(({ headers }) => headers.authorization)),
  ]
  expect(sent('storage')).toEqual([undefined])
  expect(sent('tokens')).toEqual(kind === 'bearer' ? [basicOf('robot$x:pa:ss wörd')] : [])
  expect(sent('registry')).toEqual([
    undefined,
    kind === 'bearer' ? expect.stringMatching(/^Bearer [\w-]+$/) : basicOf('robot$x:pa:ss wörd'),
  ])
  expect(records.filter(({ server }) => server === 'tokens')).toHaveLength(kind === 'bearer' ? 1 : 0)
})

test('a token service is asked with the account, for this repository and to pull', async () => {
  const { host, records } = await start({ login: { kind: 'bearer', accounts } })
  await sourceAt(host, found(robot)).resolve('one')
  const { url } = records.find(({ server }) => server === 'tokens') ?? { url: '' }
  expect(Object.fromEntries(new URL(url, 'http://x').searchParams)).toEqual({
    service: 'test',
    scope: 'repository:team/image:pull',
    account: 'robot$x',
  })
})

test('anybody may pull what is public, with a token that costs no login', async () => {
  const { host, records } = await start({ login: { kind: 'bearer', accounts, public: true } })
  const source = sourceAt(host)
  await source.resolve('one')
  expect(await read(source)).toBe(true)
  expect(records.filter(({ server }) => server === 'tokens').map(({ headers }) => headers.authorization)).toEqual([
    undefined,
  ])
})

test('sources of one repository and login share a token, and others do not', async () => {
  const { host, records } = await start({ login: { kind: 'bearer', accounts, public: true } })
  const tokens = () => records.filter(({ server }) => server === 'tokens').length
  await Promise.all([1, 2, 3].map(() => sourceAt(host, found(robot)).resolve('one')))
  await sourceAt(host, found({ ...robot, source: 'elsewhere' })).resolve('one')
  expect(tokens()).toBe(1)
  await sourceAt(host).resolve('one')
  expect(tokens()).toBe(2)
})

test('a token that runs out in the middle of a pull is renewed, and the blob goes on where it was', async () => {
  const { host, records, fault, expireTokens } = await start({ login: { kind: 'bearer', accounts }, redirect: true })
  const source = sourceAt(host, found(robot))
  await source.resolve('one')
  const layer = layers[1] as (typeof layers)[0]
  const cut = await serving((_, answer) => {
    answer.writeHead(200, { 'content-length': layer.size })
    answer.write(layer.bytes.subarray(0, 60_000), () => {
      expireTokens()
      answer.destroy()
    })
  })
  fault(/blobs/, (answer) => void answer.writeHead(307, { location: `${cut.origin}/?signature=secret` }).end())
  expect(await read(source, 1)).toBe(true)
  expect(records.filter(({ server }) => server === 'tokens')).toHaveLength(2)
  expect(records.at(-1)).toMatchObject({ server: 'storage', headers: { range: 'bytes=60000-' } })
  expect(cut.asked).toEqual(['GET / -'])
})

test('a token is kept as long as it says, and a minute at least', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  let life: object = {}
  let count = 0
  const { host, asked } = await serving((request, answer) => {
    if (request.url?.startsWith('/token')) {
      count += 1
      return void answer.end(JSON.stringify({ token: `t${count}`, ...life }))
    }
    if (request.headers.authorization)
      return void answer.writeHead(200, { 'docker-content-digest': made.manifest.digest }).end()
    answer.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end()
  })
  const tokensAfter = async (seconds: number) => {
    await sourceAt(host, found(robot)).resolve('one')
    const before = asked.filter((line) => line.startsWith('GET /token')).length
    vi.advanceTimersByTime(seconds * 1000)
    await sourceAt(host, found(robot)).resolve('one')
    const more = asked.filter((line) => line.startsWith('GET /token')).length - before
    vi.advanceTimersByTime(24 * 3600 * 1000)
    return more
  }
  expect([await tokensAfter(59), await tokensAfter(61)]).toEqual([0, 1])
  life = { expires_in: 5 }
  expect([await tokensAfter(59), await tokensAfter(61)]).toEqual([0, 1])
  life = { expires_in: 300 }
  expect([await tokensAfter(299), await tokensAfter(301)]).toEqual([0, 1])
  life = { expires_in: 3600, issued_at: new Date(Date.now() - 3300_000).toISOString() }
  expect(await tokensAfter(299)).toBe(0)
  life = { expires_in: 3600, issued_at: new Date(Date.now() - 3300_000).toISOString() }
  expect(await tokensAfter(301)).toBe(1)
})

const identity: Credential = { identityToken: 'refresh-me' }

test('an identity token is exchanged by a form, and never sent to the registry', async () => {
  const { host, records } = await start({
    login: { kind: 'bearer', accounts, identityTokens: { 'refresh-me': robot.username } },
  })
  const source = sourceAt(host, found(identity))
  await source.resolve('one')
  expect(await read(source)).toBe(true)
  expect(records.filter(({ server }) => server === 'tokens').map(({ method, url }) => `${method} ${url}`)).toEqual([
    'POST /token',
  ])
  expect(JSON.stringify(records.filter(({ server }) => server === 'registry'))).not.toContain('refresh-me')
})

test.each([404, 405])('a token service that answers %i to the form is asked in the old way', async (code) => {
  let form = ''
  const { host, asked } = await serving(async (request, answer) => {
    if (request.method === 'POST') {
      for await (const chunk of request) form += chunk
      return void answer.writeHead(code).end()
    }
    if (request.url?.startsWith('/token')) return void answer.end('{"token":"public"}')
    if (request.headers.authorization === 'Bearer public')
      return void answer.writeHead(200, { 'docker-content-digest': made.manifest.digest }).end()
    answer.writeHead(401, { 'www-authenticate': `bearer REALM="http://${host}/token",Service=reg` }).end()
  })
  await sourceAt(host, found(identity)).resolve('one')
  expect(Object.fromEntries(new URLSearchParams(form))).toEqual({
    grant_type: 'refresh_token',
    refresh_token: 'refresh-me',
    service: 'reg',
    scope: 'repository:team/image:pull',
    client_id: 'pulumi-postgres-oci',
  })
  expect(asked.slice(1, 3)).toEqual(['POST /token -', 'GET /token -'])
})

test('a form is not sent on to where a token service redirects', async () => {
  const elsewhere = await serving((_, answer) => void answer.end('{"token":"t"}'))
  const { host } = await serving((request, answer) => {
    if (request.method === 'POST') return void answer.writeHead(307, { location: `${elsewhere.origin}/token` }).end()
    answer.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end()
  })
  await expect(sourceAt(host, found(identity)).resolve('one')).rejects.toThrow('answered 307')
  expect(elsewhere.asked).toEqual([])
})

test('a password is not sent on to where a token service redirects', async () => {
  const elsewhere = await serving((_, answer) => void answer.end('{"token":"t"}'))
  const { host } = await serving((request, answer) => {
    if (request.url?.startsWith('/token'))
      return void answer.writeHead(307, { location: `${elsewhere.origin}/token` }).end()
    if (request.headers.authorization)
      return void answer.writeHead(200, { 'docker-content-digest': made.manifest.digest }).end()
    answer.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end()
  })
  await sourceAt(host, found(robot)).resolve('one')
  expect(elsewhere.asked).toEqual(['GET /token -'])
})

test.each<[string, string | string[], Credential | undefined, string]>([
  ['Negotiate and Basic', ['Negotiate', 'Basic realm="x"'], robot, basicOf('robot$x:pa:ss wörd')],
  ['Basic before Bearer', 'BASIC realm="x", Bearer realm="R"', robot, basicOf('robot$x:pa:ss wörd')],
  ['Bearer before Basic', 'bEaReR realm="R", Basic realm="x"', robot, 'Bearer t'],
  ['Basic before Bearer, without a password', 'Basic realm="x", Bearer realm="R"', undefined, 'Bearer t'],
  ['Basic before Bearer, with an identity token', 'Basic realm="x", Bearer realm="R"', identity, 'Bearer t'],
])('of several challenges the first that can be met is: %s', async (_, challenges, credential, expected) => {
  const { host } = await serving((request, answer) => {
    if (request.url?.startsWith('/token')) return void answer.end('{"token":"t"}')
    if (request.headers.authorization === expected)
      return void answer.writeHead(200, { 'docker-content-digest': made.manifest.digest }).end()
    const header = [challenges].flat().map((one) => one.replace('"R"', `"http://${host}/token"`))
    answer.writeHead(401, { 'www-authenticate': header }).end()
  })
  expect((await sourceAt(host, found(credential)).resolve('one')).digest).toBe(made.manifest.digest)
})

test('a refusal that does not say how to log in is followed by the question', async () => {
  const { host, asked } = await serving((request, answer) => {
    if (request.headers.authorization)
      return void answer.writeHead(200, { 'docker-content-digest': made.manifest.digest }).end()
    answer.writeHead(401, request.url === '/v2/' ? { 'www-authenticate': 'Basic realm="x"' } : {}).end()
  })
  await sourceAt(host, found(robot)).resolve('one')
  expect(asked.map((line) => line.split(' ')[1])).toEqual([
    '/v2/team/image/manifests/one',
    '/v2/',
    '/v2/team/image/manifests/one',
  ])
})

test('a registry that wants more than was asked for gets it once, and first', async () => {
  const scopes: string[][] = []
  let enough = true
  const { host } = await serving((request, answer) => {
    const url = new URL(request.url ?? '', 'http://x')
    if (url.pathname === '/token') {
      scopes.push(url.searchParams.getAll('scope'))
      return void answer.end(JSON.stringify({ token: `for-${scopes.length}` }))
    }
    if (enough && request.headers.authorization === 'Bearer for-2')
      return void answer.writeHead(200, { 'docker-content-digest': made.manifest.digest }).end()
    const error = request.headers.authorization
      ? ',error="insufficient_scope",scope="repository:team/image:pull,metadata_read"'
      : ''
    answer.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"${error}` }).end()
  })
  await sourceAt(host, found(robot)).resolve('one')
  expect(scopes).toEqual([
    ['repository:team/image:pull'],
    ['repository:team/image:pull,metadata_read', 'repository:team/image:pull'],
  ])
  enough = false
  scopes.length = 0
  await refusal(sourceAt(host, found({ ...robot, username: 'other' })).resolve('one'))
  expect(scopes).toHaveLength(2)
})

test('a registry that refuses the token of its own service is not given another one', async () => {
  const { host, asked } = await serving((request, answer) => {
    if (request.url?.startsWith('/token')) return void answer.end('{"token":"t"}')
    answer.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end()
  })
  await refusal(sourceAt(host, found(robot)).resolve('one'))
  expect(asked.map((line) => line.split(' ')[0])).toEqual(['HEAD', 'GET', 'HEAD'])
})

test('a login that is refused is named, by where it is from and never by what it is', async () => {
  const basic = await start({ login: { kind: 'basic', accounts } })
  const wrong = { username: 'robot$x', password: 'hunter2', source: '~/.docker/config.json' }
  expect(await refusal(sourceAt(basic.host, found(wrong)).resolve('one'))).toBe(
    `Cannot read "one" from ${basic.host}/team/image: the registry answered 401 to the login from ~/.docker/config.json; check that login, and whether it may read this repository`,
  )
  expect(await refusal(read(sourceAt(basic.host, found({ username: 'u', password: 'hunter2' }))))).toBe(
    `Cannot read "${layers[0]?.digest}" from ${basic.host}/team/image: the registry answered 401 (UNAUTHORIZED: unauthorized) to the login that is configured; check that login, and whether it may read this repository`,
  )
  expect(await refusal(sourceAt(basic.host, found(undefined)).resolve('one'))).toBe(
    `Cannot read "one" from ${basic.host}/team/image: the registry answered 401, and no login for it was found; check the name, or log in to ${basic.host} as with docker login`,
  )
  const bearer = await start({ login: { kind: 'bearer', accounts } })
  const service = () => new URL(bearer.records.find((one) => one.server === 'tokens')?.headers.host ?? '', 'http://x')
  const refused = await refusal(sourceAt(bearer.host, found(wrong)).resolve('one'))
  expect(service()).toBeDefined()
  expect(refused.replace(/service 127\.0\.0\.1:\d+/, 'service HOST')).toBe(
    `Cannot log in to ${bearer.host}/team/image: its token service HOST answered 401 (UNAUTHORIZED: unauthorized) to the login from ~/.docker/config.json; check that login, and whether it may read this repository`,
  )
  expect(bearer.records.filter(({ server }) => server === 'tokens')).toHaveLength(1)
})

test('a wrong login of a refresh token is a refused login, with what the service says', async () => {
  const { host } = await serving((request, answer) => {
    if (request.method === 'POST')
      return void answer.writeHead(400).end('{"error":"invalid_grant","error_description":"expired"}')
    answer.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end()
  })
  expect(await refusal(sourceAt(host, found(identity)).resolve('one'))).toBe(
    `Cannot log in to ${host}/team/image: its token service ${host} answered 400 (invalid_grant: expired) to the login that is configured; check that login, and whether it may read this repository`,
  )
})

test('who wants a login at the other end of a redirect gets none', async () => {
  const { host, fault, records } = await start({ login: { kind: 'basic', accounts } })
  const source = sourceAt(host, found(robot))
  await source.resolve('one')
  const storage = await serving(
    (_, answer) => void answer.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(errors('DENIED', 'no')),
  )
  fault(/blobs/, (answer) => void answer.writeHead(302, { location: `${storage.origin}/data?signature=secret` }).end())
  await expect(read(source)).rejects.toThrow(
    `Cannot read "${layers[0]?.digest}" from ${host}/team/image: ${storage.host}, where the registry sends us, answered 401 (DENIED: no); run it again later`,
  )
  expect(storage.asked).toEqual(['GET /data -'])
  expect(lookups).toBe(1)
  expect(records.filter(({ url }) => url.includes('blobs'))).toHaveLength(1)
})

test('a helper that fails is an error, and nothing is asked without a login instead', async () => {
  const { host, requests } = await start({ login: { kind: 'bearer', accounts, public: true } })
  const broken = new ProviderError('REGISTRY_REFUSED', 'Cannot run the helper')
  await expect(sourceAt(host, () => Promise.reject(broken)).resolve('one')).rejects.toBe(broken)
  expect(requests).toEqual(['HEAD /v2/team/image/manifests/one'])
})

test('who is aborted while logging in leaves the others their login', async () => {
  const { host, requests } = await start({ login: { kind: 'bearer', accounts } })
  const begun = Promise.withResolvers<void>()
  const login = Promise.withResolvers<Credential>()
  const source = sourceAt(host, () => {
    lookups += 1
    begun.resolve()
    return login.promise
  })
  const staying = source.resolve('one')
  await begun.promise
  const abort = new AbortController()
  const leaving = source.resolve('one', { signal: abort.signal })
  await vi.waitUntil(() => requests.length === 2)
  abort.abort(new ProviderError('ABORTED', 'Stopped'))
  await expect(leaving).rejects.toThrow('Stopped')
  login.resolve(robot)
  expect((await staying).digest).toBe(made.manifest.digest)
  expect(lookups).toBe(1)
})

test('a registry that is busy when asked for a token says so, and a login is not to blame', async () => {
  const { host } = await serving((request, answer) => {
    if (request.url?.startsWith('/token')) return void answer.writeHead(503).end()
    answer.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end()
  })
  const error = await sourceAt(host, found(robot))
    .resolve('one')
    .catch((thrown: ProviderError) => thrown)
  expect(error).toMatchObject({
    code: 'REGISTRY_FAILED',
    message: `Cannot log in to ${host}/team/image: its token service ${host} answered 503; run it again later`,
  })
})

test.each([401, 403])('a %i without a word on logins is told without one', async (code) => {
  const { host, fault } = await start({})
  fault(/HEAD/, status(code))
  fault(/GET/, status(code, {}, errors('DENIED', 'not yours')))
  fault(/v2\/ /, status(200))
  expect(await refusal(sourceAt(host, found(robot)).resolve('one'))).toMatch(
    code === 403 ? 'answered 403 (DENIED: not yours); check the name, or make the repository public' : 'answered 401',
  )
})
