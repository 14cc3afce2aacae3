import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pgoci } from '../support/cli.ts'
import { startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { blob } from '../support/layout.ts'
import { distributionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

// The life of a stack whose images are in a registry that wants a login, by the real CLI.
const secret = 'hunter2-of-the-registry'
const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution } from 'pulumi-postgres-oci'
const config = new pulumi.Config()
const connection = { ...config.requireObject('connection'), password: 'test' }
new Distribution('pg', { connection, root: config.require('root'), image: config.require('image') })
`
let folder: string
let origin: TestRegistry
let mirror: TestRegistry
let sshd: TestSshd
let stack: TestStack
/** All that the CLI ever printed. */
let said = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgoci-registries-'))
  const digests = await writeLayout(join(folder, 'images'), [{ tag: 'pg18', files: distributionFiles() }])
  const blobs = join(folder, 'images/blobs/sha256')
  const all = readdirSync(blobs).map((name) => blob('application/octet-stream', readFileSync(join(blobs, name))))
  const found = all.find(({ digest }) => digest === digests.get('pg18'))
  if (found === undefined) throw new Error('the layout lacks its own image')
  const manifest = blob('application/vnd.oci.image.manifest.v1+json', found.bytes)
  origin = await startRegistry({ 18: manifest }, all, { login: { kind: 'basic', accounts: { user: secret } } })
  mirror = await startRegistry({ 18: manifest }, all)
  sshd = await startSshd()
  // Nothing of the machine's own user.
  const env = { HOME: folder, XDG_CONFIG_HOME: '', XDG_RUNTIME_DIR: folder, DOCKER_CONFIG: '', REGISTRY_AUTH_FILE: '' }
  stack = new TestStack(program, { main: 'index.mjs', env })
  await stack.init({
    connection: JSON.stringify({ host: '127.0.0.1', port: sshd.port, user: 'test', hostKey: sshd.hostKey }),
    root: join(folder, 'store'),
    image: `${origin.host}/team/image:18`,
  })
})

afterAll(async () => {
  await origin.close()
  await mirror.close()
  await sshd.close()
  stack.remove()
  rmSync(folder, { recursive: true, force: true })
})

async function run(...words: string[]) {
  const result = await stack.run(...words)
  said += result.output
  return result
}
const registries = (password: string) =>
  JSON.stringify({
    [origin.host]: { insecure: true, username: 'user', password, mirrors: [mirror.host] },
    [mirror.host]: { insecure: true },
  })
const configure = (password: string) =>
  stack.expect(0, 'config', 'set', '--secret', 'postgres-oci:registries', '--', registries(password))

test('a refused login is an error in the preview, which says whose login it was and not what', async () => {
  await configure(`${secret}-of-last-year`)
  const { code, output } = await run('preview')
  expect(code).not.toBe(0)
  expect(output).toContain(`${origin.host}/team/image`)
  expect(output).toContain('to the login from postgres-oci:registries; check that login')
})

test('settings without their half are refused, and not shown', async () => {
  await stack.expect(
    0,
    'config',
    'set',
    '--secret',
    'postgres-oci:registries',
    '--',
    `{"a.test": {"password": "${secret}"}}`,
  )
  const { code, output } = await run('preview')
  expect(code).not.toBe(0)
  expect(output).toContain('Cannot read postgres-oci:registries: a.test has one of username and password')
})

test("the stack's secret reaches the provider: the tag comes from the registry, the bytes from its mirror", async () => {
  await configure(secret)
  for (const words of [
    ['preview', '--diff'],
    ['up', '--yes', '--diff'],
  ]) {
    const { code, output } = await run(...words)
    expect(code, output).toBe(0)
  }
  expect(origin.requests.filter((line) => line.includes('sha256'))).toEqual([])
  expect(mirror.requests.length).toBeGreaterThan(2)
  expect(mirror.records.flatMap(({ headers }) => headers.authorization ?? [])).toEqual([])
})

test('Bug: pgoci passed over the registries of the stack that it was given', async () => {
  const at = { cwd: stack.folder, env: { ...stack.env, PGOCI_CACHE: join(folder, 'other-cache') } }
  const words = ['bundle', 'test', '-o', join(folder, 'stack.tar')]
  for (const one of [words, ['outdated', 'test']]) {
    const { code, stdout, stderr } = await pgoci(one, at)
    said += stdout + stderr
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('Cannot') })
  }
  const locked = { ...at.env, PULUMI_CONFIG_PASSPHRASE: undefined }
  const { code, stderr } = await pgoci(words, { ...at, env: locked })
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(
      /^Cannot read postgres-oci:registries of the stack "test": .*passphrase.*; or set PGOCI_REGISTRIES in its place$/m,
    ),
  ])
})

test('the secret is in nothing that was printed, in no state, and not in the clear in the configuration', async () => {
  // Pulumi keeps the configuration in the state of its own provider, encrypted where it is a secret.
  const state = await stack.expect(0, 'stack', 'export')
  expect(state).toContain(`${origin.host}/team/image`)
  for (const text of [said, state, readFileSync(join(stack.folder, 'Pulumi.test.yaml'), 'utf8')]) {
    expect(text).not.toContain(secret)
    expect(text).not.toContain(Buffer.from(`user:${secret}`).toString('base64'))
  }
})
