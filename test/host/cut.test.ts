import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { damaging, type Host, hosts, hostTransport } from '../support/hosts.ts'
import { checkObjects, completeState, imageOf, install, stagingOf, targetAt } from '../support/store.ts'

const distribution = imageOf(
  { 'root/bin/postgres*': 'server', 'root/share/empty': '', 'live/lib/plain.so*': 'plain' },
  { distribution: true },
)
const extension = (name: string) =>
  imageOf(
    { 'live/lib/vector.so*': `module ${name}`, 'live/share/extension/vector.control': `control ${name}` },
    { distribution: false },
  )
const counts: string[] = []
afterAll(() => process.stdout.write(`streams cut: ${counts.join('; ')}\n`))

/** Where the members of an uncompressed tar begin, its end included. */
function boundaries(tar: Buffer): number[] {
  const result = []
  for (let at = 0; at < tar.length; ) {
    result.push(at)
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8) || 0
    at += 512 + Math.ceil(size / 512) * 512
  }
  return result
}

// Not random from run to run: a failure must come back.
function scattered(limit: number, count: number): number[] {
  let state = 42
  return Array.from({ length: count }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return state % limit
  })
}

describe.each(hosts)('on a host with $name', (host: Host) => {
  const root = join(temporaryFolder(), 'store')
  const transport = hostTransport(host)
  const target = targetAt(root, transport)
  let tar: Buffer = Buffer.alloc(0)

  beforeAll(async () => {
    await install(target, { distribution, vector: extension('first') })
    const listening = damaging(transport, 'push', (sent) => {
      tar = sent.stdin
    })
    await install({ ...target, transport: listening }, { distribution, vector: extension('second') })
  })

  test('Atomic: a stream that is cut anywhere changes nothing, and the next run brings the new state', async () => {
    const members = boundaries(tar)
    // Whatever follows COMPLETE is only tar's own end, and what came before it is all there is.
    const complete = tar.indexOf('/COMPLETE')
    const places = [...new Set([...members, ...scattered(complete, 12)])].filter((place) => place < complete + 512)
    expect(members.length).toBeGreaterThan(20)
    for (const place of places) {
      const before = completeState(root)
      const images = { distribution, vector: extension(`cut at ${place}`) }
      const cutting = damaging(transport, 'push', (sent) => {
        sent.stdin = sent.stdin.subarray(0, place)
      })
      await expect(install({ ...target, transport: cutting }, images), `cut at ${place}`).rejects.toMatchObject({
        code: 'HOST_UNREACHABLE',
        message: expect.stringContaining('nothing was changed, run it again'),
      })
      expect(completeState(root)).toEqual(before)
      await install(target, images)
      expect(completeState(root)?.live, `after the cut at ${place}`).not.toBe(before?.live)
      expect(stagingOf(root)).toEqual([])
    }
    // Five objects of each of the three generations, less what they share.
    expect(checkObjects(root)).toBe(2 + 3 * 2)
    counts.push(`${places.length} places (${host.name})`)
  })

  test('Proved: a byte that changes on the way is found, and nothing is changed', async () => {
    const before = completeState(root)
    const images = { distribution, vector: extension('flipped') }
    const flipping = damaging(transport, 'push', (sent) => {
      const at = sent.stdin.indexOf('module flipped')
      sent.stdin[at] = 0x4d
    })
    await expect(install({ ...target, transport: flipping }, images)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
    expect(completeState(root)).toEqual(before)
  })
})
