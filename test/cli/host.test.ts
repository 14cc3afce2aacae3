import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../../src/host/connect.ts'
import { pgoci } from '../support/cli.ts'
import { temporaryFolder } from '../support/folder.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'
import { imageOf, install, targetAt } from '../support/store.ts'

const folder = temporaryFolder()
const root = join(folder, 'store')
const file = join(folder, 'host.json')
let sshd: TestSshd

beforeAll(async () => {
  sshd = await startSshd()
  const connection = { host: '127.0.0.1', port: sshd.port, user: 'deploy', password: 'test', hostKey: sshd.hostKey }
  writeFileSync(file, JSON.stringify(connection))
  const transport = await connect(connection)
  const distribution = imageOf({ 'root/bin/postgres*': 'p', 'live/lib/a.so*': 'a' }, { distribution: true })
  await install(targetAt(root, transport), { distribution })
  await install(targetAt(join(folder, 'two'), transport), { distribution })
  await install(targetAt(join(folder, 'two'), transport, { instance: 'other' }), { distribution })
  await transport.close()
})

afterAll(() => sshd.close())

const drift = async (...words: string[]) => {
  const { code, stdout, stderr } = await pgoci(['drift', ...words], { env: { HOME: folder, SSH_AUTH_SOCK: '' } })
  return `${code} ${stdout}${stderr}`.trim().replaceAll(folder, '/tmp').replaceAll(String(sshd.port), 'PORT')
}

test('the only installation of a host needs no name, one of several does', async () => {
  expect(await drift(file, '--root', root)).toMatch(/^0/)
  expect(await drift(file, '--root', join(folder, 'two'))).toBe(
    '2 Cannot choose an installation in /tmp/two on deploy@127.0.0.1:PORT: there are main, other; name one with --instance',
  )
  expect(await drift(file, '--root', join(folder, 'two'), '--instance', 'other')).toMatch(/^0/)
  expect(await drift(file, '--root', join(folder, 'three'))).toBe(
    '2 Cannot find an installation in /tmp/three on deploy@127.0.0.1:PORT; name its folder with --root',
  )
})

test('a URL is known by ~/.ssh/known_hosts, and may hold no password', async () => {
  const url = `ssh://deploy@127.0.0.1:${sshd.port}`
  expect(await drift(url)).toMatch(/^2 Cannot log in to deploy@127.0.0.1:PORT: there is nothing to do it with/)
  expect(await drift(url.replace('@', ':secret@'))).toBe(
    '2 Cannot use a host with a password in it; put both into a JSON file',
  )
  expect(await drift('ssh://')).toBe('2 Cannot use "ssh://" as a host: expected ssh://user@host[:port]')
  expect(await drift('https://db1.example.com')).toMatch(/^2 .*expected ssh:/)
  mkdirSync(join(folder, '.ssh'))
  writeFileSync(join(folder, '.ssh/known_hosts'), 'broken\n')
  expect(await drift('ssh://-oProxyCommand=x/')).toMatch(/^2 Cannot use .* as a host: /)
})

test('a JSON file holds the arguments of a connection, and what it holds is not shown', async () => {
  const broken = join(folder, 'broken.json')
  writeFileSync(broken, '{"password":"secret"')
  expect(await drift(broken)).toMatch(/^2 Cannot use .* as a host: it is no JSON/)
  writeFileSync(broken, '{"host":"a","pasword":"secret"}')
  const said = await drift(broken)
  expect(said).toMatch(/Unrecognized key: "pasword"/)
  expect(said).not.toContain('secret')
  expect(await drift(join(folder, 'nowhere'))).toMatch(/^2 .*ENOENT.*write ssh:\/\/user@host, or the path/)
  expect(await drift(file, '--instance', '../x')).toMatch(/^2 .*must be 1 to 63/)
  expect(await drift(file, '--root', 'relative')).toMatch(/^2 .*must be an absolute path/)
})
