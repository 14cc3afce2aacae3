import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { remove } from '../../src/host/store.ts'
import { temporaryFolder } from '../support/folder.ts'
import { asNobody, hosts, hostTransport } from '../support/hosts.ts'
import { lacksRoot } from '../support/needs.ts'
import { completeState, imageOf, install, targetAt } from '../support/store.ts'

// Any program will do: what counts is what the process is called.
const distribution = imageOf({ 'root/bin/postgres*': readFileSync('/bin/sleep') }, { distribution: true })
const newer = (name: string) => imageOf({ 'root/bin/postgres*': name }, { distribution: true })

describe.skipIf(lacksRoot).each(hosts)('on a host with $name (needs root)', (host) => {
  test('an ordinary user keeps everything while a server runs whose tree is not to be seen', async () => {
    const root = join(temporaryFolder(), 'store')
    mkdirSync(root)
    chownSync(root, 65534, 65534)
    const target = targetAt(root, asNobody(hostTransport(host)))
    await install(target, { distribution })
    const server = spawn(join(root, 'instances/main/root/bin/postgres'), ['600'], { stdio: 'ignore' })
    await once(server, 'spawn')
    try {
      for (const name of ['2', '3', '4', '5']) await install(target, { distribution: newer(name) })
      expect(readdirSync(join(root, 'instances/main/generations'))).toHaveLength(5)
      await expect(remove(target, 5)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('nobody may not see whether a server still runs'),
      })
      expect(completeState(root)?.generation).toBe(5)
    } finally {
      server.kill('SIGKILL')
      await once(server, 'exit')
    }
  })

  test.each(['1', '2'])('so does one whose /proc shows no process of others, hidepid=%s', async (hidepid) => {
    const root = join(temporaryFolder(), 'store')
    mkdirSync(root)
    chownSync(root, 65534, 65534)
    const hiding = `/usr/bin/unshare --mount /bin/sh -c '/bin/mount -t proc -o hidepid=${hidepid} proc /proc && exec "$@"' sh `
    const target = targetAt(root, asNobody(hostTransport(host), hiding))
    await install(target, { distribution })
    for (const name of ['2', '3', '4', '5']) await install(target, { distribution: newer(name) })
    expect(readdirSync(join(root, 'instances/main/generations'))).toHaveLength(5)
    await expect(remove(target, 5)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('a /proc that hides them'),
    })
    // Root sees all of them, wherever it looks.
    const asRoot = { ...target, transport: { ...target.transport, exec: hostTransport(host).exec } }
    expect(await install(asRoot, { distribution: newer('6') })).toMatchObject({ generations: 3 })
  })
})
