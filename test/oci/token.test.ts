import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { parseReference } from '../../src/model/reference.ts'
import { parseChallenges } from '../../src/oci/challenge.ts'
import type { Answer, Client } from '../../src/oci/client.ts'
import { openSource } from '../../src/oci/open.ts'
import { parseRealm } from '../../src/oci/realm.ts'
import { tokenFor } from '../../src/oci/token.ts'

test.each<[string | string[] | undefined, object[]]>([
  [undefined, []],
  ['', []],
  ['Basic realm="x"', [{ scheme: 'basic', parameters: { realm: 'x' } }]],
  [
    'BEARER Realm="https://a/t", service=reg , scope = "a:b:pull,push"',
    [{ scheme: 'bearer', parameters: { realm: 'https://a/t', service: 'reg', scope: 'a:b:pull,push' } }],
  ],
  ['Bearer realm="a\\"b\\\\c"', [{ scheme: 'bearer', parameters: { realm: 'a"b\\c' } }]],
  [
    ['Negotiate', 'Basic realm="x", Bearer realm="y"'],
    [
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'x' } },
      { scheme: 'bearer', parameters: { realm: 'y' } },
    ],
  ],
])('the challenges of %j', (header, challenges) => {
  expect(parseChallenges(header)).toEqual(challenges)
})

test('no header makes taking it apart fail or take long', () => {
  fc.assert(fc.property(fc.string({ maxLength: 20_000 }), (header) => Array.isArray(parseChallenges(header))))
  expect(parseChallenges(`${'a='.repeat(4000)}"`)).toEqual([])
  expect(parseChallenges(`Bearer ${'\\"'.repeat(8000)}`)).toHaveLength(1)
})

/** Registries and token services, by URL; everything else is an error. */
function clientOf(answers: Readonly<Record<string, { status?: number; body?: string }>>, asked: string[] = []): Client {
  return {
    send: async (url, { guard }) => {
      guard?.(url)
      asked.push(url.href)
      const { status = 200, body = '' } = answers[url.origin + url.pathname] ?? {}
      return { statusCode: status, headers: {}, url, body: [Buffer.from(body)] } as unknown as Answer
    },
  }
}

/** Each test has a service of its own, because tokens are shared by all of a process. */
let asking = 0
const ask = async (realm: string, client: Client, registry = 'https://reg.example.com') => {
  asking += 1
  const grant = {
    realm: parseRealm(realm, 'reg.example.com/team/image'),
    service: `s&t${asking}`,
    scopes: ['repository:team/image:pull'],
    credential: undefined,
    registry: new URL(registry),
  }
  return (await tokenFor(grant, { client, name: 'reg.example.com/team/image' })).text
}

test('a token is asked for with service and scope, and taken by either name', async () => {
  for (const body of ['{"token":"t1"}', '{"access_token":"t1"}', '{"token":"","access_token":"t1"}']) {
    const asked: string[] = []
    expect(
      await ask('https://auth.example.com/token', clientOf({ 'https://auth.example.com/token': { body } }, asked)),
    ).toBe('t1')
    expect(asked).toEqual([
      `https://auth.example.com/token?service=s%26t${asking}&scope=repository%3Ateam%2Fimage%3Apull`,
    ])
  }
})

test.each<[string, string, string]>([
  ['plain http', 'http://auth.example.com/token', 'is not https'],
  ['no URL', 'auth', 'is no URL'],
  ['a file', 'file:///etc/passwd', 'is not https'],
  ['loopback', 'https://127.0.0.1/token', 'inside this network'],
  ['loopback in IPv6', 'https://[::1]/token', 'inside this network'],
  ['loopback by name', 'https://localhost:8080/token', 'inside this network'],
  ['loopback in other digits', 'https://2130706433/token', 'inside this network'],
  ['loopback as IPv4 in IPv6', 'https://[::ffff:127.0.0.1]/token', 'inside this network'],
  ["a cloud's metadata", 'https://169.254.169.254/latest', 'inside this network'],
  ['a private address', 'https://10.1.2.3/token', 'inside this network'],
])('a token service at %s is not asked', async (_, realm, says) => {
  const asked: string[] = []
  await expect(ask(realm, clientOf({}, asked))).rejects.toThrow(says)
  expect(asked).toEqual([])
})

test('a registry inside the network may have its token service at its own address', async () => {
  const client = clientOf({ 'https://10.1.2.3:5001/token': { body: '{"token":"t"}' } })
  expect(await ask('https://10.1.2.3:5001/token', client, 'https://10.1.2.3:5000')).toBe('t')
})

test.each(['', '{}', '[]', '{"token":1}', '{"token":"a\\nb"}', `{"token":"${'x'.repeat(70_000)}"}`])(
  'an answer that is no token is an error',
  async (body) => {
    const run = ask('https://auth.example.com/token', clientOf({ 'https://auth.example.com/token': { body } }))
    await expect(run).rejects.toBeInstanceOf(ProviderError)
  },
)

let close: () => void
let host: string
let requests: string[]
let valid: string
beforeEach(async () => {
  requests = []
  valid = 'first'
  const server = createServer((request, answer) => {
    requests.push(`${request.method} ${request.url?.split('?')[0]} ${request.headers.authorization ?? '-'}`)
    if (request.url?.startsWith('/token')) return void answer.end(JSON.stringify({ token: valid }))
    if (request.headers.authorization === `Bearer ${valid}`)
      return void answer.writeHead(200, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }).end()
    answer.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token",service="s"` }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  close = () => void server.close(() => {}).closeAllConnections()
})
afterEach(() => close())

test('a public registry that wants a token is asked once for it, by all requests together, and again when it ran out', async () => {
  const source = openSource(parseReference(`${host}/team/image`), { settings: { [host]: { insecure: true } } })
  await Promise.all([source.resolve('a'), source.resolve('b'), source.resolve('c')])
  expect(requests.filter((line) => line.includes('/token'))).toHaveLength(1)
  await source.resolve('d')
  expect(requests.at(-1)).toBe('HEAD /v2/team/image/manifests/d Bearer first')
  valid = 'second'
  await source.resolve('e')
  expect(requests.slice(-3)).toEqual([
    'HEAD /v2/team/image/manifests/e Bearer first',
    'GET /token -',
    'HEAD /v2/team/image/manifests/e Bearer second',
  ])
})

test('a registry that refuses its own token is asked no more, and the error says what to check', async () => {
  const source = openSource(parseReference(`${host}/team/image`), { settings: { [host]: { insecure: true } } })
  const server = createServer(
    (_, answer) => void answer.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const basic = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const other = openSource(parseReference(`${basic}/team/image`), { settings: { [basic]: { insecure: true } } })
  await expect(other.resolve('a')).rejects.toThrow(
    `Cannot read "a" from ${basic}/team/image: the registry answered 401, and no login for it was found; check the name, or log in to ${basic} as with docker login`,
  )
  server.close().closeAllConnections()
  valid = ''
  await expect(source.resolve('a')).rejects.toThrow('its token service answers without a token')
})
