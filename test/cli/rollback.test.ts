import { readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { rollbackSchema } from '../../src/cli/rollback.ts'
import { connect } from '../../src/host/connect.ts'
import { pgoci } from '../support/cli.ts'
import { temporaryFolder } from '../support/folder.ts'
import { startIn } from '../support/process.ts'
import { startSshd } from '../support/sshd.ts'
import { completeState, imageOf, install, targetAt } from '../support/store.ts'

const folder = temporaryFolder()
const sshd = await startSshd()
afterAll(() => sshd.close())
const connection = { host: '127.0.0.1', port: sshd.port, user: 'deploy', password: 'test', hostKey: sshd.hostKey }
const file = join(folder, 'host.json')
writeFileSync(file, JSON.stringify(connection))

/** Not a Postgres, but a program that runs under its name. */
const server = readFileSync('/bin/sleep')

function build(number: string, mode: 'relocatable' | 'rootfs') {
  const image = imageOf(
    { 'root/bin/postgres*': server, 'root/share/build': number, [`live/lib/${number}.so`]: number },
    { distribution: true },
  )
  return { ...image, layout: image.layout && { ...image.layout, mode } }
}

test.each(['relocatable', 'rootfs'] as const)('a %s host whose current state is damaged goes back', async (mode) => {
  const root = join(folder, mode)
  const transport = await connect(connection)
  const target = targetAt(root, transport)
  await install(target, { distribution: build('1', mode) })
  const first = completeState(root)
  const running = await startIn(join(root, 'instances/main/root/bin/postgres'), ['600'])
  await install(target, { distribution: build('2', mode) })
  await transport.close()

  const rollback = (...words: string[]) => pgoci(['rollback', file, '--root', root, ...words])
  const current = join(root, 'instances/main/current')
  for (const path of ['root/share/build', 'live/lib/2.so']) rmSync(join(current, path))
  const { code, stdout } = await rollback('--list')
  expect(code).toBe(0)
  const [newest = '', , oldest] = stdout.split('\n')
  expect(newest).toMatch(/^2 .*\(current, 2 entries missing, added or damaged\)$/)
  expect(oldest).toMatch(new RegExp(`^1 .*\\(runs as ${running.pid}\\)$`))
  const listed = rollbackSchema.parse(JSON.parse((await rollback('--list', '--json')).stdout))
  expect(listed.generations.map(({ running: servers }) => servers.map(({ pid }) => pid))).toEqual([[], [running.pid]])

  expect(await rollback('--yes')).toMatchObject({ code: 0, stderr: '' })
  expect(completeState(root)).toEqual({ ...first, generation: 3 })
  if (mode === 'rootfs') {
    // systemd takes no link as a root, so the unit has to name the tree that is current again.
    const tree = readlinkSync(join(current, 'root')).replace(/^.*\//, '')
    expect(readFileSync(join(current, 'pgoci-main.service'), 'utf8')).toContain(`RootDirectory=${root}/trees/${tree}\n`)
  }
  expect(await running.stop()).toBe(true)
})
