import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeFreed } from '../../src/host/freed.ts'
import { probe } from '../../src/host/probe.ts'
import { remove } from '../../src/host/store.ts'
import { temporaryFolder } from '../support/folder.ts'
import { hosts, hostTransport } from '../support/hosts.ts'
import { mountTmpfs } from '../support/mount.ts'
import { lacksRoot } from '../support/needs.ts'
import { startIn } from '../support/process.ts'
import { checkObjects, completeState, imageOf, install, targetAt } from '../support/store.ts'

const megabyte = 1_000_000
const distribution = imageOf({ 'root/bin/sleep*': readFileSync('/bin/sleep') }, { distribution: true })
const extension = (bytes: number) =>
  imageOf({ 'live/lib/a.so*': randomBytes(bytes), 'live/lib/b.so*': randomBytes(10) }, { distribution: false })

const kilobytesOf = (folder: string) => Number(execFileSync('du', ['-sk', folder]).toString().split('\t')[0])

describe.each(hosts)('on a host with $name', (host) => {
  const transport = hostTransport(host)
  const freshTarget = (folder = temporaryFolder()) => targetAt(join(folder, 'store'), transport)
  const generations = (root: string) => readdirSync(join(root, 'instances/main/generations')).sort()

  test('a change says what it freed, to the kilobyte of the disk', async () => {
    const target = freshTarget()
    expect(await install(target, { distribution, vector: extension(3 * megabyte) })).toBeUndefined()
    for (const size of [1, 1]) expect(await install(target, { distribution, vector: extension(size) })).toBeUndefined()
    const freed = await install(target, { distribution, vector: extension(1) })
    expect(freed).toMatchObject({ generations: 1, trees: 1 })
    expect(freed?.kilobytes).toBeGreaterThan(2900)
    const before = kilobytesOf(target.root)
    const last = await remove(target, 4)
    expect(last).toMatchObject({ generations: 3, trees: 4 })
    // What is not counted are the store's own folders, which are empty.
    const folders = before - kilobytesOf(target.root) - (last?.kilobytes ?? 0)
    expect(folders).toBeGreaterThanOrEqual(0)
    expect(folders).toBeLessThanOrEqual(4 * (6 + 16))
    expect(await remove(target, 0)).toBeUndefined()
  })

  test('Bug: a kill behind the removal of a tree left what was recorded of it for ever', async () => {
    const target = freshTarget()
    const transport = hostTransport(host, {
      programs: { rm: 'case $* in "-rf trees/"*) /bin/rm "$@"; kill -9 $PPID ;; esac\nexec /bin/rm "$@"' },
    })
    for (const size of [1, 2, 3]) await install(target, { distribution, vector: extension(size) })
    const killed = install({ ...target, transport }, { distribution, vector: extension(4) })
    await expect(killed).rejects.toMatchObject({ code: 'HOST_UNREACHABLE' })
    await install(target, { distribution, vector: extension(5) })
    const [trees, recorded] = ['trees', 'meta'].map((name) => readdirSync(join(target.root, name)).sort())
    expect(recorded).toEqual(trees)
  })

  describe.skipIf(lacksRoot)('whose disk is small (needs root for a mount)', () => {
    test('the generation that the switch gives up anyway goes before it, and only then', async () => {
      const target = freshTarget(mountTmpfs('size=20m'))
      const second = extension(4 * megabyte)
      const third = extension(4 * megabyte)
      for (const vector of [extension(4 * megabyte), second, third]) await install(target, { distribution, vector })
      // 16 MB do not fit, whatever goes; so nothing does.
      await expect(install(target, { distribution, vector: extension(16 * megabyte) })).rejects.toMatchObject({
        code: 'NO_SPACE',
        message: expect.stringMatching(/\d+ MB more needed \(the store holds 1\d MB for main\); nothing was installed/),
      })
      expect(generations(target.root)).toEqual(['1', '2', '3'])
      expect(await install(target, { distribution, vector: extension(5 * megabyte) })).toMatchObject({ generations: 1 })
      expect(generations(target.root)).toEqual(['2', '3', '4'])
      expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
      checkObjects(target.root)
    })

    test('what nobody needs any more goes first: here a tree whose process has ended', async () => {
      const target = freshTarget(mountTmpfs('size=24m'))
      const big = (mark: string) =>
        imageOf(
          { 'root/bin/sleep*': readFileSync('/bin/sleep'), 'root/data': randomBytes(4 * megabyte), 'root/mark': mark },
          { distribution: true },
        )
      await install(target, { distribution: big('1') })
      const running = await startIn(join(target.root, 'instances/main/root/bin/sleep'), ['600'])
      for (const mark of ['2', '3', '4']) await install(target, { distribution: big(mark) })
      expect(generations(target.root)).toEqual(['1', '2', '3', '4'])
      const next = big('5')
      // The oldest that nobody uses would do, but the one in use is kept.
      await running.stop()
      const freed = await install(target, { distribution: next })
      expect(freed).toMatchObject({ generations: 2 })
      expect(generations(target.root)).toEqual(['3', '4', '5'])
    })

    test('a running process keeps its tree, even when the disk is short', async () => {
      const target = freshTarget(mountTmpfs('size=16m'))
      await install(target, { distribution, vector: extension(4 * megabyte) })
      const root = completeState(target.root)?.root ?? ''
      const running = await startIn(join(target.root, 'instances/main/root/bin/sleep'), ['600'])
      try {
        const other = imageOf({ 'root/bin/sleep*': 'other' }, { distribution: true })
        for (const turn of [1, 2, 3, 4])
          await install(target, { distribution: other, vector: extension(4 * megabyte) }).catch((error) =>
            expect(error, `${turn}`).toMatchObject({ code: 'NO_SPACE' }),
          )
        expect(readdirSync(join(target.root, 'trees', root, 'bin'))).toEqual(['sleep'])
        expect(generations(target.root)[0]).toBe('1')
      } finally {
        await running.stop()
      }
    })

    test('Reversible: going back is possible on a disk that is full', async () => {
      const folder = mountTmpfs('size=16m')
      const target = freshTarget(folder)
      const first = extension(megabyte)
      await install(target, { distribution, vector: first })
      const before = completeState(target.root)
      await install(target, { distribution, vector: extension(megabyte) })
      execFileSync('sh', [
        '-c',
        'head -c "$(($(df -kP "$1" | tail -n 1 | tr -s " " | cut -d " " -f 4) - 2000))k" /dev/zero >"$1/filler"',
        'sh',
        folder,
      ])
      await expect(install(target, { distribution, vector: extension(3 * megabyte) })).rejects.toMatchObject({
        code: 'NO_SPACE',
      })
      await install(target, { distribution, vector: first })
      expect(completeState(target.root)).toEqual({ ...before, generation: 3 })
    })
  })
})

test('what was freed is told in few words', () => {
  expect(describeFreed({ kilobytes: 177_734, files: 1204, trees: 3, generations: 2 })).toBe(
    'freed 182 MB: 2 generations, 3 trees, 1,204 files',
  )
  expect(describeFreed({ kilobytes: 12, files: 1, trees: 0, generations: 0 })).toBe('freed 12 kB: 1 file')
})
