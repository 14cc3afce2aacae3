import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { probe } from '../../src/host/probe.ts'
import { remove } from '../../src/host/store.ts'
import { temporaryFolder } from '../support/folder.ts'
import { hosts, hostTransport } from '../support/hosts.ts'
import { watchInodes } from '../support/inodes.ts'
import { checkObjects, completeState, imageOf, install, stagingOf, targetAt } from '../support/store.ts'

const distribution = imageOf(
  {
    'root/bin/sleep*': readFileSync('/bin/sleep'),
    'root/share/empty': '',
    'root/a link': { to: 'bin/sleep' },
    'root/share/ünï 𝄞.txt': 'not ASCII',
    'root/share/\uffee.txt': 'sorted otherwise by JavaScript',
    'live/lib/plain.so*': 'plain',
  },
  { distribution: true },
)
const distribution2 = imageOf({ 'root/bin/other*': 'other', 'live/lib/plain.so*': 'plain' }, { distribution: true })
const extension = (name: string) =>
  imageOf({ 'live/lib/vector.so*': `module ${name}`, 'live/share/vector.control': 'same' }, { distribution: false })
const vector1 = extension('1')

describe.each(hosts)('on a host with $name', (host) => {
  const transport = hostTransport(host)
  const freshTarget = () => targetAt(join(temporaryFolder(), 'store'), transport)

  test('Never in place: no inode is written to by an upgrade, a repair, a rollback or a removal', async () => {
    const target = freshTarget()
    const live = join(target.root, 'instances/main/current/live')
    await install(target, { distribution, vector: vector1 })
    const watch = watchInodes(target.root)
    await install(target, { distribution, vector: extension('2') })
    expect(watch.findWritten()).toEqual([])
    chmodSync(join(live, 'lib/vector.so'), 0o755)
    appendFileSync(join(live, 'lib/vector.so'), 'tampered')
    chmodSync(join(live, 'lib/vector.so'), 0o555)
    const tampered = watchInodes(target.root)
    await install(target, { distribution, vector: extension('2') })
    expect(tampered.findWritten()).toEqual([])
    expect(completeState(target.root)?.generation).toBe(3)
    await install(target, { distribution, vector: vector1 })
    expect(tampered.findWritten()).toEqual([])
    await remove(target, 4)
    expect(tampered.findWritten()).toEqual([])
  })

  test('Reversible: going back to a set whose trees are there sends no content', async () => {
    const target = freshTarget()
    const images = { distribution, vector: extension('1') }
    await install(target, images)
    const first = completeState(target.root)
    await install(target, { distribution, vector: extension('2') })
    images.vector.reads = 0
    await install(target, images)
    expect(completeState(target.root)).toEqual({ ...first, generation: 3 })
    expect(images.vector.reads).toBe(0)
  })

  test('a manifest that the caller knows is not sent, and is only said to be there while it is what it should be', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: vector1 })
    const [all, some] = [distribution.treeDigest, vector1.treeDigest]
    const asked = await probe(target, { verify: 'none', known: [all, distribution2.treeDigest] })
    expect([[...asked.held], [...asked.manifests.keys()]]).toEqual([[all], [some]])
    const manifest = join(target.root, 'manifests', all.replace('sha256:', ''))
    rmSync(manifest)
    writeFileSync(manifest, 'damaged')
    const damaged = await probe(target, { verify: 'none', known: [all, some] })
    expect([[...damaged.held], [...damaged.manifests.keys()]]).toEqual([[some], []])
  })

  test('Seen: every kind of change of a tree is found by a quick look, and nothing is where nothing changed', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: vector1 })
    const { deviations } = await probe(target, { verify: 'quick' })
    expect(deviations.size).toBe(0)
    expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
    const tree = join(target.root, 'instances/main/current/root')
    chmodSync(join(tree, 'bin/sleep'), 0o755)
    writeFileSync(join(tree, 'share/added\nwith newline'), '')
    writeFileSync(join(tree, 'share/back\\slash'), '')
    writeFileSync(join(tree, 'share/added'), '')
    unlinkSync(join(tree, 'a link'))
    symlinkSync('bin', join(tree, 'a link'))
    unlinkSync(join(tree, 'share/ünï 𝄞.txt'))
    const seen = [...(await probe(target, { verify: 'quick' })).deviations.values()].flat()
    const lines = seen.map(({ side, path, kind, mode }) => [side, path, kind, mode].join(' ')).sort()
    expect(lines).toEqual([
      'have a link l 777',
      'have bin/sleep f 755',
      'have share/added f 644',
      'have share/added?with newline ? -',
      'have share/back\\slash f 644',
      'want a link l 777',
      'want bin/sleep f 555',
      'want share/ünï 𝄞.txt f 444',
    ])
  })

  test('Seen: an edit that keeps size and times, and one that comes with a changed manifest', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: vector1 })
    const file = join(target.root, 'instances/main/current/live/lib/vector.so')
    const copy = `${file}.copy`
    writeFileSync(copy, 'module X', { mode: 0o555 })
    await execute('touch', ['-r', file, copy])
    renameSync(copy, file)
    const [found] = [...(await probe(target, { verify: 'quick' })).deviations.values()]
    expect(found?.map(({ side, path }) => `${side} ${path}`)).toEqual(['want lib/vector.so', 'have lib/vector.so'])
    await install(target, { distribution, vector: vector1 })
    const name = (await probe(target, { verify: 'none' })).trees.find(
      ({ role, generation }) => role === 'live' && generation === 2,
    )?.name
    appendFileSync(join(target.root, 'manifests', name?.replace(/-.*/, '') ?? ''), 'more\tf\t444\t00\n')
    const seen = await probe(target, { verify: 'quick' })
    // The tree itself is whole, and only the manifest is to be sent again.
    expect([...seen.bad]).toEqual([`manifests/${name?.replace(/-.*/, '')}`])
    expect(seen.deviations.size).toBe(0)
    await install(target, { distribution, vector: vector1 })
    const mended = await probe(target, { verify: 'full' })
    expect([mended.bad.size, mended.deviations.size, mended.renewed]).toEqual([0, 0, []])
  })

  test('Seen: a link that leads elsewhere or is gone, and the next run sets it again', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: vector1 })
    const home = join(target.root, 'instances/main')
    const live = `live/${distribution.digest.slice(7, 23)}`
    unlinkSync(join(home, live))
    symlinkSync('../elsewhere', join(home, live))
    unlinkSync(join(home, 'root'))
    const seen = (await probe(target, { verify: 'quick' })).store
    expect(seen.map(({ side, path, value }) => [side, path, value].join(' ')).sort()).toEqual([
      `have instances/main/${live} ../elsewhere`,
      `want instances/main/${live} ../current/live`,
      'want instances/main/root current/root',
    ])
    await install(target, { distribution, vector: vector1 })
    expect(completeState(target.root)?.generation).toBe(2)
    expect((await probe(target, { verify: 'quick' })).store).toEqual([])
  })

  test('keeps three generations, and the tree of a process that still runs until it ends', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: vector1 })
    const generations = () =>
      readdirSync(join(target.root, 'instances/main/generations'))
        .map(Number)
        .sort((a, b) => a - b)
    const running = spawn(join(target.root, 'instances/main/root/bin/sleep'), ['600'], { stdio: 'ignore' })
    await once(running, 'spawn')
    try {
      for (const name of ['2', '3', '4', '5', '6']) {
        await install(target, { distribution: distribution2, vector: extension(name) })
      }
      // The server of the first distribution still finds what it had, through its own live link.
      expect(generations()).toEqual([1, 4, 5, 6])
      const key = distribution.digest.slice(7, 23)
      expect(readFileSync(join(target.root, 'instances/main/live', key, 'lib/vector.so'), 'utf8')).toBe('module 1')
    } finally {
      running.kill('SIGKILL')
      await once(running, 'exit')
    }
    await install(target, { distribution: distribution2, vector: extension('7') })
    expect(generations()).toEqual([5, 6, 7])
    expect(readdirSync(join(target.root, 'instances/main/live'))).toHaveLength(1)
    expect(readdirSync(join(target.root, 'trees'))).toHaveLength(1 + 3)
    expect(readdirSync(join(target.root, 'manifests')).length).toBeLessThanOrEqual(1 + 3 + 1 + 3)
    expect(checkObjects(target.root)).toBe(3 + 3)
  })

  test('Owned: instances share a store without touching each other, and the last one leaves it empty', async () => {
    const target = freshTarget()
    const other = { ...target, instance: 'other' }
    await install(target, { distribution, vector: vector1 })
    await install(other, { distribution, vector: vector1 })
    await install(other, { distribution, vector: extension('2') })
    await install(other, { distribution, vector: vector1 })
    const state = completeState(target.root)
    expect(completeState(target.root, 'other')?.live).toBe(state?.live)
    await remove(other, 3)
    expect(completeState(target.root)).toEqual(state)
    expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
    await remove(target, 1)
    expect(readdirSync(target.root).sort()).toEqual(['FORMAT', 'lock'])
    await remove(target, 0)
    expect(readdirSync(target.root).sort()).toEqual(['FORMAT', 'lock'])
  })

  test('refuses to remove what a process still runs from', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: vector1 })
    const running = spawn(join(target.root, 'instances/main/root/bin/sleep'), ['600'], { stdio: 'ignore' })
    await once(running, 'spawn')
    try {
      await expect(remove(target, 1)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('stop the server'),
      })
    } finally {
      running.kill('SIGKILL')
      await once(running, 'exit')
    }
    await remove(target, 1)
    expect(existsSync(join(target.root, 'instances/main'))).toBe(false)
  })

  test('what a killed push left is cleared by the next one, whoever it is for', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: vector1 })
    for (const path of ['staging/old/objects', `trees/${'0'.repeat(64)}/lib`, 'instances/main/generations/9']) {
      await execute('mkdir', ['-p', join(target.root, path)])
    }
    await install({ ...target, instance: 'other' }, { distribution, vector: vector1 })
    expect(stagingOf(target.root)).toEqual([])
    expect(existsSync(join(target.root, `trees/${'0'.repeat(64)}`))).toBe(false)
    expect(existsSync(join(target.root, 'instances/main/generations/9'))).toBe(false)
    rmSync(target.root, { recursive: true })
  })
})

async function execute(command: string, words: string[]): Promise<void> {
  await once(spawn(command, words, { stdio: 'ignore' }), 'exit')
}
