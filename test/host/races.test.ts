import { existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { probe } from '../../src/host/probe.ts'
import { remove } from '../../src/host/store.ts'
import { damaging, type Sent, stalling } from '../support/damage.ts'
import { temporaryFolder } from '../support/folder.ts'
import { hosts, hostTransport } from '../support/hosts.ts'
import { watchInodes } from '../support/inodes.ts'
import { checkObjects, completeState, generationOf, imageOf, install, stagingOf, targetAt } from '../support/store.ts'

const distribution = imageOf({ 'root/bin/postgres*': 'server', 'live/lib/plain.so*': 'plain' }, { distribution: true })
const extension = (name: string | Buffer) => imageOf({ 'live/lib/vector.so*': name }, { distribution: false })

describe.each(hosts)('on a host with $name', (host) => {
  const transport = hostTransport(host)
  const freshTarget = () => targetAt(join(temporaryFolder(), 'store'), transport)
  const failing = (damage: (sent: Sent) => unknown) => damaging(transport, 'push', damage)

  test('two changes at once wait for each other; who waits too long is told for whom', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const begun = Promise.withResolvers<void>()
    // So little of the stream that the holder of the lock waits for more.
    const stalled = stalling(transport, (stream) => stream.subarray(0, 2000), begun.resolve)
    const abort = new AbortController()
    const slow = install(
      { ...target, holder: 'slow@there', transport: stalled },
      { distribution, vector: extension('slow') },
      { signal: abort.signal },
    )
    const slowEnd = expect(slow).rejects.toThrow('stopped by the user')
    await begun.promise
    const told: string[] = []
    const tell = (line: string) => void told.push(line)
    await expect(
      install({ ...target, lockWait: 1, tell }, { distribution, vector: extension('2') }),
    ).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringMatching(/"slow@there since \d{4}-.* UTC" is at work there/),
    })
    expect(told).toEqual([
      expect.stringMatching(/^Waiting for localhost: slow@there since \d{4}-.* UTC is at work there; waits up to 1 s$/),
    ])
    // A client that goes away frees the lock, and the one that waits goes on.
    const waiting = install(target, { distribution, vector: extension('2') })
    abort.abort(new Error('stopped by the user'))
    await slowEnd
    await waiting
    expect(completeState(target.root)?.generation).toBe(2)
    expect(stagingOf(target.root)).toEqual([])
  })

  test('Bug: a look that pushes overtake until its generation is collected is no record that was changed by hand', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const generation = join(target.root, 'instances/main/generations/1')
    const overtaken = damaging(transport, 'probe', (sent) => {
      sent.script = sent.script.replace('\ndamaged=\n', '\nmv "$here" "$here.collected"\ndamaged=\n')
      if (existsSync(`${generation}.collected`)) renameSync(`${generation}.collected`, generation)
    })
    await expect(probe({ ...target, transport: overtaken }, { verify: 'quick' })).rejects.toMatchObject({
      code: 'STORE_CHANGED',
      message: expect.stringContaining('generation 1 was current, and is gone'),
    })
  })

  test('Bug: a look whose generation was collected right after it had read its number told of a record changed by hand', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const generation = join(target.root, 'instances/main/generations/1')
    const overtaken = damaging(transport, 'probe', (sent) => {
      if (existsSync(`${generation}.collected`)) return renameSync(`${generation}.collected`, generation)
      const here = '\nhere=$home/generations/$shown\n'
      sent.script = sent.script.replace(here, () => `${here}mv "$here" "$here.collected"\n`)
    })
    const seen = await probe({ ...target, transport: overtaken }, { verify: 'quick' })
    expect([seen.generation, seen.record?.includes('vector'), existsSync(generation)]).toEqual([1, true, true])
  })

  test('Bug: a look that was overtaken so failed; it is made once more', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const generation = join(target.root, 'instances/main/generations/1')
    let looks = 0
    const overtaken = damaging(transport, 'probe', (sent) => {
      looks += 1
      if (looks === 2) renameSync(`${generation}.collected`, generation)
      else sent.script = sent.script.replace('\ndamaged=\n', '\nmv "$here" "$here.collected"\ndamaged=\n')
    })
    const seen = await probe({ ...target, transport: overtaken }, { verify: 'quick' })
    expect([looks, seen.generation, seen.deviations.size, seen.store]).toEqual([2, 1, 0, []])
  })

  test('Bug: a look whose tree was collected while it was read told of a full disk', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const generation = join(target.root, 'instances/main/generations/1')
    const overtaken = damaging(transport, 'probe', (sent) => {
      if (existsSync(`${generation}.collected`)) return renameSync(`${generation}.collected`, generation)
      const collected = 'mv "$here" "$here.collected"; manifest=none'
      sent.script = sent.script.replace('\n  compare "$manifest"', (line) => `\n  ${collected}${line}`)
    })
    const seen = await probe({ ...target, transport: overtaken }, { verify: 'full' })
    expect([seen.generation, seen.deviations.size, seen.store]).toEqual([1, 0, []])
  })

  test('changes of one instance that began alike are all made, one upon the other', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    await Promise.all(['a', 'b', 'c'].map((name) => install(target, { distribution, vector: extension(name) })))
    expect(completeState(target.root)?.generation).toBe(4)
  })

  test('a change that others always overtake is refused in the end', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    let others = 0
    const late = failing(() => {
      others += 1
      return install(target, { distribution, vector: extension(`other ${others}`) })
    })
    await expect(
      install({ ...target, transport: late }, { distribution, vector: extension('2') }),
    ).rejects.toMatchObject({
      code: 'STORE_CHANGED',
      message: expect.stringContaining('generation 4 is current, not 3'),
    })
    expect(await generationOf(target)).toBe(4)
  })

  test('what another instance collects meanwhile is sent again', async () => {
    const target = freshTarget()
    const other = { ...target, instance: 'other' }
    await install(target, { distribution })
    await install(other, { distribution, vector: extension('shared') })
    let isThere = true
    const racing = failing(async () => {
      if (isThere) await remove(other, 1)
      isThere = false
    })
    await install({ ...target, transport: racing }, { distribution, vector: extension('shared') })
    expect(isThere).toBe(false)
    expect(completeState(target.root)?.generation).toBe(2)
    expect(stagingOf(target.root)).toEqual([])
    checkObjects(target.root)
  })

  test('Bug: of what two instances bring at one instant, two copies stayed', async () => {
    const target = freshTarget()
    const other = { ...target, instance: 'other' }
    const own = imageOf({ 'live/lib/own  it.so*': 'shared', 'live/lib/b.so*': 'own' }, { distribution: false })
    await install(target, { distribution })
    let pushes = 0
    const racing = failing(async () => {
      pushes += 1
      await install(other, { distribution, vector: extension('shared') })
    })
    await install({ ...target, transport: racing }, { distribution, own })
    expect(pushes).toBe(1)
    expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
    expect([...copiesIn(target.root)].filter(([, inodes]) => inodes.size !== 1)).toEqual([])
    checkObjects(target.root)
  })

  test('Never in place: what another instance brings meanwhile is not written over', async () => {
    const target = freshTarget()
    const other = { ...target, instance: 'other' }
    await install(target, { distribution })
    let inodes = watchInodes(target.root)
    const racing = failing(async () => {
      await install(other, { distribution, vector: extension('shared') })
      inodes = watchInodes(target.root)
    })
    await install({ ...target, transport: racing }, { distribution, vector: extension('shared') })
    expect(inodes.findWritten()).toEqual([])
    expect(completeState(target.root)?.live).toBe(completeState(target.root, 'other')?.live)
    expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
    expect((await probe(other, { verify: 'full' })).deviations.size).toBe(0)
    checkObjects(target.root)
  })
})

/** The inodes that each content has, in all trees and objects. */
function copiesIn(root: string): Map<string, Set<number>> {
  const inodes = new Map<string, Set<number>>()
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !/\/(?:trees|objects)\//.test(path)) continue
    const content = readFileSync(path, 'utf8')
    inodes.set(content, (inodes.get(content) ?? new Set()).add(statSync(path).ino))
  }
  return inodes
}
