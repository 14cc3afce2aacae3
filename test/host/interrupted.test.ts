import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { remove } from '../../src/host/store.ts'
import { damaging, type Sent } from '../support/damage.ts'
import { temporaryFolder } from '../support/folder.ts'
import { hosts, hostTransport } from '../support/hosts.ts'
import { checkObjects, completeState, generationOf, imageOf, install, stagingOf, targetAt } from '../support/store.ts'

// The points where most is at stake. All lines, members and other kinds of harm: test/faults.
const distribution = imageOf({ 'root/bin/postgres*': 'server', 'live/lib/plain.so*': 'plain' }, { distribution: true })
const another = imageOf({ 'root/bin/postgres*': 'server 2', 'live/lib/plain.so*': 'plain' }, { distribution: true })
const extension = (name: string) => imageOf({ 'live/lib/vector.so*': `module ${name}` }, { distribution: false })

const killedBefore = (statement: string) => (sent: Sent) => {
  const lines = sent.script.split('\n')
  const places = [...lines.keys()].filter((index) => lines[index]?.trim().startsWith(statement))
  // The verb's own lines come last.
  const place = places.at(-1)
  expect(place, statement).toBeDefined()
  sent.script = lines.toSpliced(place ?? 0, 0, 'kill -9 $$').join('\n')
}

describe.each(hosts)('on a host with $name', (host) => {
  const transport = hostTransport(host)
  const freshTarget = () => targetAt(join(temporaryFolder(), 'store'), transport)
  const damaged = (damage: (sent: Sent) => unknown) => damaging(transport, 'push', damage)

  test.each([
    ['old', 'mv -T "$stage/generation"'],
    ['old', 'link_to "generations/$next" "$home/current"'],
    ['new', 'link_to ../current/live "$live"'],
    ['new', 'collect_garbage 2'],
  ])('Atomic: what was killed leaves the %s state: before %s', async (which, statement) => {
    const target = freshTarget()
    const [first, second] = [
      { distribution, vector: extension('1') },
      { distribution: another, vector: extension('2') },
    ]
    await install(target, first)
    const before = completeState(target.root)
    const killed = install({ ...target, transport: damaged(killedBefore(statement)) }, second)
    await expect(killed).rejects.toMatchObject({ code: 'HOST_UNREACHABLE' })
    const after = completeState(target.root, 'main', { afterKill: true })
    expect(after?.generation).toBe(which === 'old' ? before?.generation : 2)
    await install(target, second)
    expect(completeState(target.root)?.live).not.toBe(before?.live)
    expect(stagingOf(target.root)).toEqual([])
    checkObjects(target.root)
  })

  test.each([
    [1, 'mv -T "$home" "staging/gone-$instance"'],
    [0, 'collect_garbage 2'],
  ])('Atomic: a removal that was killed leaves all (1) or nothing (0): %i before %s', async (left, statement) => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    const killed = remove({ ...target, transport: damaging(transport, 'remove', killedBefore(statement)) }, 1)
    await expect(killed).rejects.toMatchObject({ code: 'HOST_UNREACHABLE' })
    expect(await generationOf(target)).toBe(left)
    if (left > 0) expect(completeState(target.root)).toEqual(before)
    await remove(target, left)
    expect(readdirSync(target.root).sort()).toEqual(['FORMAT', 'lock'])
  })

  test.each([
    ['between its last two members', (tar: Buffer) => tar.lastIndexOf('staging/next/COMPLETE')],
    ['in a file', (tar: Buffer) => tar.indexOf('module 2') + 3],
  ])('Atomic: a stream that is cut %s changes nothing', async (_where, at) => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    const cut = damaged((sent) => {
      sent.stdin = sent.stdin.subarray(0, at(sent.stdin))
    })
    const second = { distribution, vector: extension('2') }
    await expect(install({ ...target, transport: cut }, second)).rejects.toMatchObject({
      code: 'HOST_UNREACHABLE',
      message: expect.stringContaining('nothing was changed, run it again'),
    })
    expect(completeState(target.root)).toEqual(before)
    await install(target, second)
    expect(completeState(target.root)?.live).not.toBe(before?.live)
    expect(stagingOf(target.root)).toEqual([])
    checkObjects(target.root)
  })

  test('Proved: a byte that changes on the way is found, and nothing is changed', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    const flipped = damaged((sent) => {
      sent.stdin[sent.stdin.indexOf('module 2')] = 0x4d
    })
    const second = { distribution, vector: extension('2') }
    await expect(install({ ...target, transport: flipped }, second)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
    expect(completeState(target.root)).toEqual(before)
  })
})
