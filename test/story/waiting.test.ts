import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { distributionFiles, writeLayout } from '../support/postgres-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'

const program = `
import * as pulumi from '@pulumi/pulumi'
import { Distribution } from 'pulumi-postgres-oci'
const config = new pulumi.Config()
const connection = { host: '127.0.0.1', port: config.requireNumber('port'), hostKey: config.require('hostKey'), user: 'deploy', password: 'test' }
new Distribution('pg', { connection, root: config.require('root'), image: 'oci:./images:pg18' })
`
const root = mkdtempSync(join(tmpdir(), 'pgoci-waiting-'))
const stack = new TestStack(program, { main: 'index.mjs' })
let sshd: TestSshd

beforeAll(async () => {
  sshd = await startSshd()
  await writeLayout(join(stack.folder, 'images'), [{ tag: 'pg18', files: distributionFiles() }])
  await stack.init({ root, port: String(sshd.port), hostKey: sshd.hostKey })
})

afterAll(async () => {
  await sshd.close()
  stack.remove()
  rmSync(root, { recursive: true, force: true })
})

test('an up that must wait for another says so at once, and goes on when the other has ended; or gives up', async () => {
  execFileSync('sh', ['-c', 'echo 1 >"$0/FORMAT"', root])
  writeFileSync(join(root, 'lock.holder'), 'ana@ci-7 (shop/prod) since 2026-11-27 01:00:00 UTC\n')
  const other = spawn('flock', [join(root, 'lock'), 'sh', '-c', 'echo held; read -r line'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(other.stdout, 'data')
  await stack.set('postgres-oci:lockWait', '1')
  const refused = await stack.run('up', '--yes', '--skip-preview')
  expect(refused.code).not.toBe(0)
  expect(refused.output).toMatch(/is at work there, for longer than we wait/)
  await stack.set('postgres-oci:lockWait', '600')
  const up = stack.start('up', '--yes', '--skip-preview')
  await up.said('ana@ci-7 (shop/prod) since 2026-11-27 01:00:00 UTC is at work there; waits up to 600 s')
  other.stdin.end()
  const { code, output } = await up.result
  expect(output).toContain('Waiting for deploy@127.0.0.1')
  expect(code, output).toBe(0)
})
