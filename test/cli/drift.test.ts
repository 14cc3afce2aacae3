import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { driftReportSchema } from '../../src/engine/drift-report.ts'
import { connect } from '../../src/host/connect.ts'
import { pgoci } from '../support/cli.ts'
import { temporaryFolder } from '../support/folder.ts'
import { startSshd, type TestSshd } from '../support/sshd.ts'
import { imageOf, install, targetAt } from '../support/store.ts'

const folder = temporaryFolder()
const root = join(folder, 'store')
const file = join(folder, 'host.json')
const tree = join(root, 'instances/main/current/root')
let sshd: TestSshd

beforeAll(async () => {
  sshd = await startSshd()
  const connection = { host: '127.0.0.1', port: sshd.port, user: 'deploy', password: 'test', hostKey: sshd.hostKey }
  writeFileSync(file, JSON.stringify(connection))
  const transport = await connect(connection)
  const distribution = imageOf(
    { 'root/bin/postgres*': 'server', 'root/share/text': 'a text', 'live/lib/a.so*': 'a' },
    { distribution: true },
  )
  const vector = imageOf({ 'live/lib/vector.so*': 'vector' }, { distribution: false })
  await install(targetAt(root, transport), { distribution, vector })
  await transport.close()
})

afterAll(() => sshd.close())

const drift = (...words: string[]) => pgoci(['drift', file, '--root', root, ...words])
const reported = async (...words: string[]) => {
  const { code, stdout } = await drift('--json', ...words)
  return { code, report: driftReportSchema.parse(JSON.parse(stdout)) }
}

test('a host that is as its record says: one line, exit code 0', async () => {
  const { code, stdout, stderr } = await drift()
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(
    /^main on deploy@127.0.0.1:\d+ is as its record says \(generation 1, made at 20\S+Z by tester@here; what the file system says has changed was read\)\n$/,
  )
  const { report } = await reported('--full')
  expect(report).toMatchObject({ isClean: true, verified: 'full', generation: 1, drift: [], pending: [], notes: [] })
  expect(report.members.map(({ name }) => name)).toEqual(['distribution', 'vector'])
})

test('drift: exit code 1, twenty lines and a count for people, all of it for machines', async () => {
  rmSync(join(root, 'instances/main/current/live/lib/vector.so'))
  for (let n = 0; n < 30; n += 1) writeFileSync(join(tree, `share/${n}`), '')
  const { code, stdout } = await drift()
  expect(code).toBe(1)
  const lines = stdout.trimEnd().split('\n')
  expect(lines).toHaveLength(22)
  expect(lines[0]).toMatch(/has drifted from its record/)
  expect(lines[1]).toBe('added share/0: put there by someone else, Postgres may load it; up removes it')
  expect(lines.at(-1)).toBe('and 11 more')
  const { report, code: same } = await reported()
  expect(same).toBe(1)
  expect(report.drift).toHaveLength(31)
  expect(report.drift.at(-1)).toEqual({
    kind: 'missing',
    area: 'live',
    path: 'lib/vector.so',
    member: 'vector',
    found: '',
    effect: 'functions of this library fail',
    repair: 'up restores it',
  })
})

test('what cannot be told is exit code 2, and so is a wrong command line', async () => {
  expect(await drift('--instance', 'nowhere')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^Cannot tell the drift of nowhere in \S+ on \S+: it has no record there; pulumi up/),
  })
  const record = join(root, 'instances/main/current/record.json')
  for (const name of ['record.json', 'record.copy']) {
    chmodSync(join(record, '..', name), 0o644)
    writeFileSync(join(record, '..', name), '{')
  }
  expect(await drift()).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^Cannot read the record of the current generation on .*: it was changed by hand\n$/),
  })
  expect((await drift('--ful')).code).toBe(2)
})

test('the schema in docs is what is printed', async () => {
  const schema = `${JSON.stringify(z.toJSONSchema(driftReportSchema), null, 2)}\n`
  await expect(schema).toMatchFileSnapshot('../../docs/schemas/drift.json')
})
