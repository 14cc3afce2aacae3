import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { distributionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

const program = `
import * as pulumi from '@pulumi/pulumi'
import { Distribution } from 'pulumi-postgres-oci'
for (const { name, ...connection } of new pulumi.Config().requireObject('hosts')) {
  new Distribution(name, { connection: { ...connection, user: 'deploy', password: 'test', dialErrorLimit: 1 }, root: new pulumi.Config().require('root') + '/' + name, image: 'oci:./images:pg18' })
}
`
const folder = mkdtempSync(join(tmpdir(), 'pgoci-two-'))
const stack = new TestStack(program, { main: 'index.mjs' })
const hosts = new Map<string, TestSshd>()
const server = (name: string) => join(folder, name, `instances/${name}/current/root/bin/postgres`)

beforeAll(async () => {
  chmodSync(folder, 0o755)
  for (const name of ['asleep', 'awake']) hosts.set(name, await startSshd())
  await writeLayout(join(stack.folder, 'images'), [{ tag: 'pg18', files: distributionFiles() }])
  const connections = [...hosts].map(([name, { port, hostKey }]) => ({ name, host: '127.0.0.1', port, hostKey }))
  await stack.init({ root: folder, hosts: JSON.stringify(connections) })
  await stack.expect(0, 'up', '--yes', '--skip-preview')
})

afterAll(async () => {
  for (const sshd of hosts.values()) await sshd.close()
  stack.remove()
  rmSync(folder, { recursive: true, force: true })
})

test('Unreachable is not gone: one host asleep does not stop the other from being looked at and repaired', async () => {
  await hosts.get('asleep')?.close()
  rmSync(server('awake'))
  const { code, output } = await stack.run('preview', '--refresh', '--expect-no-changes', '--diff')
  expect(code).not.toBe(0)
  expect(output).toContain('Cannot reach')
  expect(output).toContain('missing bin/postgres')
  await stack.run('up', '--yes', '--skip-preview', '--refresh')
  expect(existsSync(server('awake'))).toBe(true)
  const state = await stack.expect(0, 'stack', 'export')
  for (const name of hosts.keys()) expect(state).toContain(`postgres-oci:Distribution::${name}`)
})
