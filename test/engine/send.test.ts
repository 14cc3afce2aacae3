import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Transport } from '../../src/host/transport.ts'
import { temporaryFolder } from '../support/folder.ts'
import { dashHost, hostTransport } from '../support/hosts.ts'
import { completeState, generationOf, imageOf, install, targetAt } from '../support/store.ts'

const image = imageOf({ 'root/bin/postgres*': 'server', 'live/lib/a.so': 'a' }, { distribution: true })

/** A host that is heard of when it was looked at, and before it is pushed to. */
function host(hears: { looked?: () => void; push?: () => Promise<void> } = {}) {
  const folder = mkdtempSync(join(temporaryFolder(), 'host-'))
  const transport = hostTransport(dashHost, { env: { TMPDIR: folder } })
  const exec: Transport['exec'] = async (command, options) => {
    if (command.endsWith('pgoci-push')) await hears.push?.()
    const result = await transport.exec(command, options)
    hears.looked?.()
    return result
  }
  return targetAt(join(folder, 'store'), { ...transport, exec })
}

test('sixteen hosts are sent to at once, and one that was sent all makes room for the next', async () => {
  let [looked, begun] = [0, 0]
  const held: (() => void)[] = []
  const hears = {
    looked: () => {
      looked += 1
    },
    push: async () => {
      begun += 1
      await new Promise<void>((resolve) => held.push(resolve))
    },
  }
  const targets = Array.from({ length: 18 }, () => host(hears))
  const installing = Promise.all(targets.map((target) => install(target, { distribution: image })))
  await expect.poll(() => looked, { timeout: 60_000 }).toBe(18)
  // As soon as a host was looked at, its push would begin: long before another one has answered.
  await generationOf(host())
  expect(begun).toBe(16)
  held.shift()?.()
  await expect.poll(() => begun, { timeout: 60_000 }).toBe(17)
  held.shift()?.()
  await expect.poll(() => begun, { timeout: 60_000 }).toBe(18)
  for (const letGo of held) letGo()
  await installing
  for (const { root } of targets) expect(completeState(root)?.generation).toBe(1)
})

test('a host that fails in its turn makes room, too', async () => {
  const lost = Array.from({ length: 16 }, () => host({ push: () => Promise.reject(new Error('gone')) }))
  const failing = await Promise.allSettled(lost.map((target) => install(target, { distribution: image })))
  for (const one of failing) expect(one).toMatchObject({ reason: new Error('gone') })
  await install(host(), { distribution: image })
})
