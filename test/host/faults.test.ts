import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, describe, expect, test } from 'vitest'
import { localTransport } from '../../src/host/local.ts'
import { probe, remove } from '../../src/host/store.ts'
import type { Transport } from '../../src/host/transport.ts'
import { lacksRoot } from '../support/needs.ts'
import {
  checkObjects,
  completeState,
  damaging,
  generationOf,
  hosts,
  hostTransport,
  imageOf,
  install,
  type Sent,
  stagingOf,
  targetAt,
  temporaryFolder,
} from '../support/store.ts'

const distribution = imageOf({ 'root/bin/postgres*': 'server', 'live/lib/plain.so*': 'plain' }, { distribution: true })
const extension = (name: string | Buffer) => imageOf({ 'live/lib/vector.so*': name }, { distribution: false })
const mounted: string[] = []
afterAll(() => {
  for (const folder of mounted) spawnSync('umount', [folder])
})

function mount(...options: string[]): string {
  const folder = temporaryFolder()
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options.join(','), 'none', folder])
  if (status !== 0) throw new Error(`Cannot mount: ${stderr}`)
  mounted.push(folder)
  return folder
}

/** The push's own estimate becomes nothing, so that it meets the full disk while it writes. */
function underestimate(sent: Sent): void {
  sent.script = sent.script.replace(/^(set -- (?:\S+ ){7}(?:cat|zstd)) \d+ \d+ /, '$1 0 0 ')
}

describe.each(hosts)('on a host with $name', (host) => {
  const transport = hostTransport(host)
  const freshTarget = (folder = temporaryFolder()) => targetAt(join(folder, 'store'), transport)
  const failing = (damage: (sent: Sent) => void | Promise<void>) => damaging(transport, 'push', damage)

  test.skipIf(lacksRoot)('a disk too small is refused before anything is sent (needs root for a mount)', async () => {
    const target = freshTarget(mount('size=4m'))
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    await expect(install(target, { distribution, vector: extension(randomBytes(3_800_000)) })).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringMatching(/4 MB to write to .* MB free/),
    })
    expect(completeState(target.root)).toEqual(before)
  })

  test.skipIf(lacksRoot)('Atomic: a disk that runs full while writing (needs root for a mount)', async () => {
    const target = freshTarget(mount('size=4m'))
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    const images = { distribution, vector: extension(randomBytes(6_000_000)) }
    await expect(install({ ...target, transport: failing(underestimate) }, images)).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringContaining('ran full while writing; nothing was changed'),
    })
    expect(completeState(target.root)).toEqual(before)
    expect(stagingOf(target.root)).toEqual([])
    await install(target, { distribution, vector: extension('2') })
    expect(completeState(target.root)?.generation).toBe(2)
    expect(stagingOf(target.root)).toEqual([])
  })

  test.skipIf(lacksRoot)('Atomic: a file system that runs out of inodes (needs root for a mount)', async () => {
    const target = freshTarget(mount('size=16m', 'nr_inodes=1400'))
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
    const full = mount('size=16k')
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
    const folder = mount('size=4m')
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
    const ordinary = { ...transport, exec: asNobody(transport) }
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

  test('a tool that a host lacks is named, with the package to install', async () => {
    const without = hostTransport(host, { without: ['flock', 'tar'] })
    await expect(install({ ...freshTarget(), transport: without }, { distribution })).rejects.toMatchObject({
      code: 'HOST_LACKS_TOOL',
      message: expect.stringMatching(/lacks tar flock; install tar, util-linux there/),
    })
  })

  test('two changes at once wait for each other; who waits too long is told for whom', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const stalled = stalling(transport)
    const abort = new AbortController()
    const slow = install(
      { ...target, holder: 'slow@there', transport: stalled.transport },
      { distribution, vector: extension('slow') },
      { signal: abort.signal },
    )
    const slowEnd = expect(slow).rejects.toThrow('stopped by the user')
    await stalled.started
    await expect(install({ ...target, lockWait: 1 }, { distribution, vector: extension('2') })).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringMatching(/"slow@there since \d{4}-.* UTC" is at work there/),
    })
    // A client that goes away frees the lock, and the one that waits goes on.
    const waiting = install(target, { distribution, vector: extension('2') })
    abort.abort(new Error('stopped by the user'))
    await slowEnd
    await waiting
    expect(completeState(target.root)?.generation).toBe(2)
    expect(stagingOf(target.root)).toEqual([])
  })

  test('of two changes of one instance that began alike, one is told to run again', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'c'].map((name) => install(target, { distribution, vector: extension(name) })),
    )
    const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))
    expect(new Set(refused)).toEqual(new Set(['STORE_CHANGED']))
    expect(completeState(target.root)?.generation).toBe(1 + outcomes.length - refused.length)
  })

  test('a change from a generation that is not current any more is refused', async () => {
    const target = freshTarget()
    await install(target, { distribution, vector: extension('1') })
    const late = failing(() => install(target, { distribution, vector: extension('other') }))
    await expect(
      install({ ...target, transport: late }, { distribution, vector: extension('2') }),
    ).rejects.toMatchObject({
      code: 'STORE_CHANGED',
      message: expect.stringContaining('generation 2 is current, not 1'),
    })
    expect(await generationOf(target)).toBe(2)
  })

  test('what another instance collects meanwhile is missed by name, and the next run brings it', async () => {
    const target = freshTarget()
    const other = { ...target, instance: 'other' }
    await install(target, { distribution })
    await install(other, { distribution, vector: extension('shared') })
    const before = completeState(target.root)
    const racing = failing(() => remove(other, 1))
    const images = { distribution, vector: extension('shared') }
    await expect(install({ ...target, transport: racing }, images)).rejects.toMatchObject({
      code: 'STORE_CHANGED',
      message: expect.stringContaining('files that were there are gone'),
    })
    expect(completeState(target.root)).toEqual(before)
    await install(target, images)
    expect(stagingOf(target.root)).toEqual([])
    checkObjects(target.root)
  })

  test('Never in place: what another instance brings meanwhile is not written over', async () => {
    const target = freshTarget()
    const other = { ...target, instance: 'other' }
    await install(target, { distribution })
    const racing = failing(() => install(other, { distribution, vector: extension('shared') }))
    await install({ ...target, transport: racing }, { distribution, vector: extension('shared') })
    expect(completeState(target.root)?.live).toBe(completeState(target.root, 'other')?.live)
    expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
    expect((await probe(other, { verify: 'full' })).deviations.size).toBe(0)
    checkObjects(target.root)
  })

  test('a login with umask 077 and a tree below a setgid folder give the same trees', async () => {
    const folder = temporaryFolder()
    chmodSync(folder, 0o2775)
    const target = { ...freshTarget(folder), transport: { ...transport, exec: prefixed(transport, 'umask 077; ') } }
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
    missing: new Set(['ab/abcd']),
  })
  await remove(target, 0)
})

function prefixed(transport: Transport, prefix: string): Transport['exec'] {
  return (command, options) => transport.exec(prefix + command, options)
}

/** As root, the command runs as "nobody"; else we are somebody ordinary already. */
function asNobody(transport: Transport): Transport['exec'] {
  const prefix = process.getuid?.() === 0 ? '/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups ' : ''
  return prefixed(transport, prefix)
}

/** A transport whose push begins and then waits for bytes that do not come. */
function stalling(transport: Transport): { transport: Transport; started: Promise<void> } {
  let start = () => {}
  const started = new Promise<void>((resolve) => {
    start = resolve
  })
  const exec: Transport['exec'] = (command, options = {}) => {
    if (!command.endsWith('pgoci-push') || typeof options.stdin !== 'object') return transport.exec(command, options)
    const source = options.stdin
    const stdin = Readable.from(
      (async function* () {
        let sent = Buffer.alloc(0)
        for await (const chunk of source) {
          sent = Buffer.concat([sent, chunk as Buffer])
          if (sent.length > sent.indexOf(10) + 2000) break
        }
        // The script, and so little of the stream that the holder of the lock waits for more.
        yield sent.subarray(0, sent.indexOf(10) + 2000)
        start()
        await new Promise(() => {})
      })(),
    )
    return transport.exec(command, { ...options, stdin })
  }
  return { transport: { ...transport, exec }, started }
}
