import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { probe } from '../../src/host/probe.ts'
import { remove } from '../../src/host/store.ts'
import { temporaryFolder } from '../support/folder.ts'
import { dashHost, hosts, hostTransport } from '../support/hosts.ts'
import { mountOn, mountTmpfs } from '../support/mount.ts'
import { lacksRoot } from '../support/needs.ts'
import { startIn } from '../support/process.ts'
import { checkObjects, completeState, imageOf, install, stagingOf, targetAt } from '../support/store.ts'

const distribution = imageOf(
  { 'root/bin/sleep*': readFileSync('/bin/sleep'), 'live/lib/plain.so*': 'plain' },
  { distribution: true },
)
const extension = (name: string) => imageOf({ 'live/lib/vector.so*': `module ${name}` }, { distribution: false })

/** An ext4 of its own, as a database host's data disk: with lost+found in it. */
function mountExt4(...options: readonly string[]): string {
  const image = join(temporaryFolder(), 'disk')
  writeFileSync(image, '')
  truncateSync(image, 256 * 1024 * 1024)
  execFileSync('mkfs.ext4', ['-q', ...options, image])
  return mountOn(temporaryFolder(), '-o', 'loop', image)
}

describe.skipIf(lacksRoot).each(hosts)('on a host with $name (needs root for mounts)', (host) => {
  const transport = hostTransport(host)

  test('root may be a disk of its own, with lost+found in it, which stays', async () => {
    const disk = mountExt4()
    expect(readdirSync(disk)).toEqual(['lost+found'])
    const target = targetAt(disk, transport)
    for (const name of ['1', '2']) await install(target, { distribution, vector: extension(name) })
    expect(completeState(disk)?.generation).toBe(2)
    await remove(target, 2)
    expect(readdirSync(disk).sort()).toEqual(['FORMAT', 'lock', 'lost+found'])
  })

  test.each(['nosuid', 'nodev', 'noatime'])('root may be on a disk that is mounted %s', async (option) => {
    const target = targetAt(join(mountTmpfs('size=8m', option), 'store'), transport)
    await install(target, { distribution, vector: extension('1') })
    expect(completeState(target.root)?.generation).toBe(1)
  })

  test('noexec is refused in the preview, before anything is written, and after a remount', async () => {
    const disk = mountTmpfs('size=8m', 'noexec')
    const refusal = { code: 'HOST_REFUSED', message: expect.stringMatching(/is mounted noexec; remount it with exec/) }
    for (const root of [disk, join(disk, 'deep/store')]) {
      await expect(probe(targetAt(root, transport), { verify: 'none' })).rejects.toMatchObject(refusal)
      expect(readdirSync(disk)).toEqual([])
    }
    execFileSync('mount', ['-o', 'remount,exec', disk])
    const target = targetAt(join(disk, 'store'), transport)
    await install(target, { distribution, vector: extension('1') })
    const before = completeState(target.root)
    execFileSync('mount', ['-o', 'remount,noexec', disk])
    await expect(install(target, { distribution, vector: extension('2') })).rejects.toMatchObject(refusal)
    expect(completeState(target.root)).toEqual(before)
    // What is there can be looked at, and removed.
    expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
    await remove(target, 1)
  })

  test('root may be behind a symbolic link, and a process that runs from it is found all the same', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'disk'))
    symlinkSync('disk', join(folder, 'link'))
    const target = targetAt(join(folder, 'link/store'), transport)
    await install(target, { distribution, vector: extension('1') })
    const root = completeState(join(folder, 'disk/store'))?.root ?? ''
    const running = await startIn(join(target.root, 'instances/main/root/bin/sleep'), ['600'])
    try {
      await expect(remove(target, 1)).rejects.toMatchObject({ code: 'CONFLICT' })
      const other = imageOf({ 'root/bin/sleep*': 'other' }, { distribution: true })
      for (const name of ['2', '3', '4', '5']) await install(target, { distribution: other, vector: extension(name) })
      expect(existsSync(join(target.root, 'trees', root, 'bin/sleep'))).toBe(true)
    } finally {
      await running.stop()
    }
    await remove(target, 5)
  })

  test('a file system without hard links, or without locks, is refused before anything is sent', async () => {
    const target = (programs: Record<string, string>) =>
      targetAt(join(temporaryFolder(), 'store'), hostTransport(host, { programs }))
    const withoutLinks = target({ ln: 'echo "ln: failed to create hard link: Operation not permitted" >&2; exit 1' })
    await expect(install(withoutLinks, { distribution })).rejects.toMatchObject({
      code: 'HOST_REFUSED',
      message: expect.stringMatching(/lacks hard or symbolic links \(.*not permitted\); set root to a local disk/),
    })
    const withoutLocks = target({ flock: 'echo "flock: 9: No locks available" >&2; exit 71' })
    await expect(install(withoutLocks, { distribution })).rejects.toMatchObject({
      code: 'HOST_REFUSED',
      message: expect.stringMatching(/takes no locks \(flock: 9: No locks available\); set root to a local disk/),
    })
    for (const { root } of [withoutLinks, withoutLocks]) expect(stagingOf(root)).toEqual([])
  })
})

describe.skipIf(lacksRoot)('on a real ext4, which links a file 65,000 times at most (needs root for a mount)', () => {
  const transport = hostTransport(dashHost)
  const moreLinks = (file: string, folder: string, count: number) => {
    mkdirSync(folder)
    execFileSync('perl', ['-e', 'link($ARGV[0], "$ARGV[1]/$_") or die $! for 1 .. $ARGV[2]', file, folder, `${count}`])
  }
  const objectOf = (root: string, image: typeof distribution, path: string) => {
    const entry = image.tree.get(path)
    if (entry?.kind !== 'file') throw new Error(`${path} is no file`)
    const hex = entry.digest.slice('sha256:'.length)
    return join(root, 'objects', hex.slice(0, 2), `${hex}.x`)
  }

  test('an object with many links gives way, and comes again with the next tree that wants it', async () => {
    const disk = mountExt4('-N', '4096')
    const target = targetAt(join(disk, 'store'), transport)
    await install(target, { distribution, vector: extension('1') })
    const object = objectOf(target.root, distribution, 'live/lib/plain.so')
    moreLinks(object, join(disk, 'links'), 50_000)
    await install(target, { distribution, vector: extension('2') })
    expect(existsSync(object)).toBe(false)
    await install(target, { distribution, vector: extension('3') })
    expect(existsSync(object)).toBe(true)
    expect(completeState(target.root)?.generation).toBe(3)
    expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
    checkObjects(target.root)
  })

  test('an object that has all links that it may have gives way in the middle of a change', async () => {
    const disk = mountExt4('-N', '4096')
    const target = targetAt(join(disk, 'store'), transport)
    await install(target, { distribution, vector: extension('1') })
    // An object and a tree have two of the 65,000.
    moreLinks(objectOf(target.root, distribution, 'live/lib/plain.so'), join(disk, 'links'), 64_998)
    await install(target, { distribution, vector: extension('2') })
    expect(completeState(target.root)?.generation).toBe(2)
    expect((await probe(target, { verify: 'full' })).deviations.size).toBe(0)
    checkObjects(target.root)
  })
})
