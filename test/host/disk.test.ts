import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { localTransport } from '../../src/host/local.ts'
import { probe } from '../../src/host/probe.ts'
import { remove } from '../../src/host/store.ts'
import { damaging, type Sent } from '../support/damage.ts'
import { temporaryFolder } from '../support/folder.ts'
import { asNobody, hosts, hostTransport } from '../support/hosts.ts'
import { mountTmpfs } from '../support/mount.ts'
import { lacksRoot } from '../support/needs.ts'
import { checkObjects, completeState, imageOf, install, stagingOf, targetAt } from '../support/store.ts'

const distribution = imageOf({ 'root/bin/postgres*': 'server', 'live/lib/plain.so*': 'plain' }, { distribution: true })
const extension = (name: string | Buffer) => imageOf({ 'live/lib/vector.so*': name }, { distribution: false })
/** The push's own estimate becomes nothing, so that it meets the full disk while it writes. */
function underestimate(sent: Sent): void {
  sent.script = sent.script.replace(/^(set -- (?:\S+ ){7}(?:cat|zstd)) \d+ \d+ /, '$1 0 0 ')
}

describe.each(hosts)('on a host with $name', (host) => {
  const transport = hostTransport(host)
  const freshTarget = (folder = temporaryFolder()) => targetAt(join(folder, 'store'), transport)
  const failing = (damage: (sent: Sent) => unknown) => damaging(transport, 'push', damage)

  test.skipIf(lacksRoot)('a disk too small is refused before anything is sent (needs root for a mount)', async () => {
    const target = freshTarget(mountTmpfs('size=4m'))
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    await expect(install(target, { distribution, vector: extension(randomBytes(3_800_000)) })).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringMatching(/4 MB to write to .* MB free/),
    })
    expect(completeState(target.root)).toEqual(before)
  })

  test.skipIf(lacksRoot)('Atomic: a disk that runs full while writing (needs root for a mount)', async () => {
    const target = freshTarget(mountTmpfs('size=4m'))
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    const images = { distribution, vector: extension(randomBytes(6_000_000)) }
    await expect(install({ ...target, transport: failing(underestimate) }, images)).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringContaining('ran full while writing; nothing was installed'),
    })
    expect(completeState(target.root)).toEqual(before)
    expect(stagingOf(target.root)).toEqual([])
    await install(target, { distribution, vector: extension('2') })
    expect(completeState(target.root)?.generation).toBe(2)
    expect(stagingOf(target.root)).toEqual([])
  })

  test.skipIf(lacksRoot)('Atomic: a file system that runs out of inodes (needs root for a mount)', async () => {
    const target = freshTarget(mountTmpfs('size=16m', 'nr_inodes=1400'))
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    const many = imageOf(
      Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`live/share/${index}`, `${index}`])),
      { distribution: false },
    )
    await expect(install(target, { distribution, vector: many })).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringContaining('inodes free'),
    })
    await expect(
      install({ ...target, transport: failing(underestimate) }, { distribution, vector: many }),
    ).rejects.toMatchObject({ code: 'NO_SPACE' })
    expect(completeState(target.root)).toEqual(before)
    await install(target, { distribution, vector: extension('2') })
    expect(completeState(target.root)?.generation).toBe(2)
  })

  test.skipIf(lacksRoot)('a full /tmp is an error, and makes nobody collect what is needed (needs root)', async () => {
    const full = mountTmpfs('size=16k')
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    writeFileSync(join(full, 'filler'), Buffer.alloc(12_000))
    const crowded = { ...target, transport: hostTransport(host, { env: { TMPDIR: full } }) }
    for (const turn of [1, 2, 3]) {
      await install(crowded, { distribution, vector: extension(`full ${turn}`) }).catch((error: unknown) =>
        expect(error).toMatchObject({ code: expect.stringMatching(/NO_SPACE|HOST_UNREACHABLE|HOST_REFUSED/) }),
      )
      expect(completeState(target.root)).toBeDefined()
    }
    await expect(probe(crowded, { verify: 'full' })).rejects.toMatchObject({ code: 'NO_SPACE' })
    expect(before).toBeDefined()
    await install(target, { distribution, vector: extension('3') })
    checkObjects(target.root)
  })

  test.skipIf(lacksRoot)('a read-only root (needs root for a mount)', async () => {
    const folder = mountTmpfs('size=4m')
    const target = freshTarget(folder)
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    spawnSync('mount', ['-o', 'remount,ro', folder])
    await expect(install(target, { distribution, vector: extension('2') })).rejects.toMatchObject({
      code: 'HOST_REFUSED',
      message: expect.stringContaining('read-only'),
    })
    // Read-only from the moment of the push on: the lock cannot be taken.
    spawnSync('mount', ['-o', 'remount,rw', folder])
    const late = failing(() => {
      spawnSync('mount', ['-o', 'remount,ro', folder])
    })
    await expect(
      install({ ...target, transport: late }, { distribution, vector: extension('2') }),
    ).rejects.toMatchObject({
      code: 'HOST_REFUSED',
      message: expect.stringContaining('read-only'),
    })
    expect(completeState(target.root)).toEqual(before)
    spawnSync('mount', ['-o', 'remount,rw', folder])
    await install(target, { distribution, vector: extension('2') })
  })

  test('a folder that is not ours to write, and one that is not a store', async () => {
    const folder = temporaryFolder()
    chmodSync(folder, 0o555)
    const ordinary = asNobody(transport)
    const expected = { code: 'HOST_REFUSED', message: expect.stringContaining('may not write to') }
    await expect(install({ ...freshTarget(folder), transport: ordinary }, { distribution })).rejects.toMatchObject(
      expected,
    )
    const foreign = freshTarget()
    mkdirSync(join(foreign.root, 'somebody'), { recursive: true })
    await expect(install(foreign, { distribution })).rejects.toMatchObject({
      code: 'HOST_REFUSED',
      message: expect.stringContaining('is not empty and is no store'),
    })
    const newer = freshTarget()
    mkdirSync(newer.root)
    writeFileSync(join(newer.root, 'FORMAT'), '2\n')
    await expect(install(newer, { distribution })).rejects.toMatchObject({
      message: expect.stringContaining('format "2"'),
    })
  })

  test('Bug: a push that may not read the instances took all trees for garbage, the current ones too', async () => {
    const folder = temporaryFolder()
    if (process.getuid?.() === 0) chownSync(folder, 65534, 65534)
    const target = { ...freshTarget(folder), transport: asNobody(transport) }
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    // Ends behind it, because the next attempt would bring what is missing.
    const closed = ['', 'chmod 0 instances', 'sweep_leftovers', 'chmod 755 instances', 'kill -9 $$', ''].join('\n')
    const closing = damaging(target.transport, 'push', (sent) => {
      sent.script = sent.script.replace('\nsweep_leftovers\n', () => closed)
    })
    await expect(
      install({ ...target, transport: closing }, { distribution, vector: extension('2') }),
    ).rejects.toMatchObject({ code: 'HOST_UNREACHABLE' })
    expect(completeState(target.root)).toEqual(before)
    await install(target, { distribution, vector: extension('2') })
    expect(completeState(target.root)?.generation).toBe(2)
  })

  test('a tool that a host lacks is named, with the package to install', async () => {
    const without = hostTransport(host, { without: ['flock', 'tar'] })
    await expect(install({ ...freshTarget(), transport: without }, { distribution })).rejects.toMatchObject({
      code: 'HOST_LACKS_TOOL',
      message: expect.stringMatching(/lacks flock, tar; run ".* util-linux tar" there/),
    })
  })

  test('a login with umask 077 and a tree below a setgid folder give the same trees', async () => {
    const folder = temporaryFolder()
    if (process.getuid?.() === 0) chownSync(folder, 65534, 65534)
    chmodSync(folder, 0o2775)
    const target = { ...freshTarget(folder), transport: asNobody(transport, 'umask 077; ') }
    await install(target, { distribution, vector: extension('1') })
    expect(completeState(target.root)).toBeDefined()
    expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
    const modes = spawnSync('find', [target.root, '-type', 'd', '!', '-perm', '-0755']).stdout.toString()
    expect(modes).toBe('')
    expect(readdirSync(join(target.root, 'trees'))).toHaveLength(2)
  })
})

test('a probe of an empty host finds nothing, and removing nothing is done', async () => {
  const target = targetAt(join(temporaryFolder(), 'store'), localTransport())
  expect(await probe(target, { verify: 'full', objects: ['ab/abcd'] })).toMatchObject({
    generation: 0,
    isEmpty: true,
  })
  await remove(target, 0)
})
