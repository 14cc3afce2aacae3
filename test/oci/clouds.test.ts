import { afterEach, expect, test } from 'vitest'
import type { RegistrySetting } from '../../src/oci/settings.ts'
import { errors, type RegistryOptions, startRegistry, status, type TestRegistry } from '../support/fault-registry.ts'
import { pulled } from '../support/pulled.ts'
import { both, sampleBlobs, sampleTree } from '../support/sample.ts'

// Registries that cannot be had here, by how they ask for logins and where they keep blobs (docs/images.md). Whether
// they do so today only they can tell; that nothing of a login leaves for another origin is asked of each.
let registry: TestRegistry | undefined
afterEach(() => registry?.close())

interface Cloud {
  readonly options: RegistryOptions
  readonly setting: RegistrySetting
  /** How tokens are asked for: method and scheme, or nothing. */
  readonly tokens: readonly string[]
}

const basic = (username: string, password: string): Cloud => ({
  options: { login: { kind: 'basic', accounts: { [username]: password } }, redirect: true, referrers: false },
  setting: { username, password },
  tokens: [],
})
const bearer = (username: string, password: string, options: RegistryOptions = {}): Cloud => ({
  options: { login: { kind: 'bearer', accounts: { [username]: password } }, redirect: true, ...options },
  setting: { username, password },
  tokens: ['GET Basic'],
})
const anybody: Cloud = {
  options: { login: { kind: 'bearer', accounts: {}, public: true }, redirect: true, referrers: false },
  setting: {},
  tokens: ['GET none'],
}
const keyFile = JSON.stringify({ type: 'service_account', private_key: '-----BEGIN PRIVATE KEY-----\nAA==\n' }, null, 2)
const identity = 'eyJhbGciOiJSUzI1NiJ9.refresh.token'

test.each<[string, Cloud]>([
  ['Docker Hub, public images', anybody],
  ['Docker Hub, with a personal access token', bearer('acme', 'dckr_pat_AbC-123', { referrers: false })],
  ['GHCR, public packages', anybody],
  ['GHCR, with a personal access token', bearer('octocat', 'ghp_0123456789abcdef', { referrers: false })],
  ['ECR: Basic with a password of twelve hours, blobs from S3', basic('AWS', 'eyJwYXlsb2FkIjoi'.repeat(150))],
  ['Artifact Registry, with a service account key', bearer('_json_key', keyFile)],
  ['Artifact Registry, with an access token', bearer('oauth2accesstoken', 'ya29.a0Af_x-y')],
  ['ACR, with a service principal', bearer('4f5c1d8e-0000-4000-8000-000000000000', 'p~w.Q')],
  [
    'ACR, with the identity token of az acr login',
    {
      options: { login: { kind: 'bearer', accounts: {}, identityTokens: { [identity]: 'me' } }, redirect: true },
      setting: { identityToken: identity },
      tokens: ['POST none'],
    },
  ],
  ['Harbor, a robot of a project', bearer('robot$team+ci', 'x:Y/z')],
  ['Quay, a robot of an organization', bearer('acme+ci', 'ABCDEF0123456789', { pageSize: 1 })],
])('%s', async (_, { options, setting, tokens }) => {
  registry = await startRegistry({ both }, sampleBlobs, options)
  const { host, records } = registry
  const settings = { [host]: { insecure: true, ...setting } }
  const found = await pulled(`${host}/team/image:both`, { settings, env: {} })
  expect(found).toMatchObject({ digest: both.digest, tree: sampleTree('amd64') })
  const of = (server: string) => records.filter((one) => one.server === server)
  const scheme = (value: string | undefined) => value?.split(' ')[0] ?? 'none'
  expect(of('tokens').map(({ method, headers }) => `${method} ${scheme(headers.authorization)}`)).toEqual(tokens)
  expect(new Set(of('storage').map(({ headers }) => scheme(headers.authorization)))).toEqual(new Set(['none']))
})

test("Docker Hub's limit of pulls is waited for, and named when it stays", async () => {
  registry = await startRegistry({ both }, sampleBlobs, anybody.options)
  const { host } = registry
  const limit = status(429, { 'retry-after': '7' }, errors('TOOMANYREQUESTS', 'You have reached your pull rate limit.'))
  const waits: number[] = []
  const network = { wait: async (milliseconds: number) => void waits.push(milliseconds) }
  const read = () => pulled(`${host}/team/image:both`, { settings: { [host]: { insecure: true } }, env: {}, network })
  registry.fault(/manifests/, limit)
  expect((await read()).tree).toEqual(sampleTree('amd64'))
  // What is left of the seven seconds; without the header the first wait is half a second.
  expect(waits[0]).toBeGreaterThan(1000)
  expect(waits[0]).toBeLessThanOrEqual(7000)
  registry.fault(/manifests/, ...Array.from({ length: 20 }, () => limit))
  await expect(read()).rejects.toThrow(/^Cannot .*429.*it allows no more requests now/)
})
