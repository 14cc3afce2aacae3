import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { driftOf, findDrift } from '../../src/engine/drift.ts'
import { describeDrift } from '../../src/engine/drift-text.ts'
import { findPending, pendingLine, renewedLines } from '../../src/engine/pending.ts'
import { localTransport } from '../../src/host/local.ts'
import { probe } from '../../src/host/probe.ts'
import type { StoreTarget } from '../../src/host/store.ts'
import { damaging } from '../support/damage.ts'
import { temporaryFolder } from '../support/folder.ts'
import { dashHost, hosts, hostTransport } from '../support/hosts.ts'
import { lacksRoot, testWith } from '../support/needs.ts'
import { checkObjects, completeState, imageOf, install, targetAt } from '../support/store.ts'

const libm = (process.report.getReport() as { sharedObjects: string[] }).sharedObjects.find((path) =>
  /\/libm[.-]/.test(path),
) as string
const files = {
  'root/bin/postgres*': readFileSync('/bin/sleep'),
  'root/share/empty': '',
  'root/share/text': 'a text',
  'root/share/other': 'another text',
  'root/link': { to: 'bin/postgres' },
  'live/lib/plain.so*': 'plain',
}
const distribution = imageOf(files, { distribution: true })
const upgraded = imageOf({ ...files, 'root/share/text': 'a new text' }, { distribution: true })
const extension = (content: string | Buffer) => imageOf({ 'live/lib/vector.so*': content }, { distribution: false })
const vector = extension('vector')

const started: ChildProcess[] = []
afterAll(() => {
  for (const child of started) child.kill('SIGKILL')
})

const look = (target: StoreTarget, verify: 'quick' | 'full' = 'quick') => probe(target, { verify, purpose: 'report' })
const drift = async (target: StoreTarget, verify?: 'quick' | 'full') =>
  describeDrift(findDrift(await look(target, verify)))
const at = (target: StoreTarget, path: string) => join(target.root, 'instances/main', path)

/** A process with a server's name that has a module loaded. */
async function runWith(target: StoreTarget, module: string): Promise<number> {
  const env = { ...process.env, LD_PRELOAD: at(target, `live/${readdirSync(at(target, 'live'))[0]}/lib/${module}.so`) }
  const child = spawn(at(target, 'root/bin/postgres'), ['600'], { stdio: 'ignore', env })
  started.push(child)
  await once(child, 'spawn')
  return child.pid as number
}

/** As an editor does that writes in place: the inode stays, and with it all that shares it. */
function writeInPlace(path: string, text: string): void {
  const mode = readFileMode(path)
  chmodSync(path, 0o644)
  writeFileSync(path, text)
  chmodSync(path, mode)
}

const readFileMode = (path: string) => (/\.so$|postgres$/.test(path) ? 0o555 : 0o444)

describe.each(hosts)('on a host with $name', (host) => {
  const transport = hostTransport(host)
  const installed = async (images = { distribution, vector }) => {
    const target = targetAt(join(temporaryFolder(), 'store'), transport)
    await install(target, images)
    return target
  }

  test('Seen: what was changed in a tree is told apart', async () => {
    const target = await installed()
    expect(await drift(target)).toEqual([])
    const root = at(target, 'current/root')
    chmodSync(join(root, 'share/other'), 0o600)
    if (!lacksRoot) chownSync(join(root, 'share/empty'), 1234, 1234)
    rmSync(join(root, 'link'))
    symlinkSync('/etc/passwd', join(root, 'link'))
    rmSync(join(root, 'share/text'))
    mkdirSync(join(root, 'share/text'))
    rmSync(at(target, 'current/live/lib/vector.so'))
    writeFileSync(at(target, 'current/live/lib/evil\u001b[2J.so'), '')
    chmodSync(root, 0o700)
    expect(await drift(target)).toEqual([
      'mode the tree "root" (now 700): its permissions were changed, some may no longer read or run it; up restores it',
      'retargeted link (now leads to /etc/passwd): what reads it gets another file; up restores it',
      ...(lacksRoot ? [] : ['owner share/empty (now of 1234:1234): who owns it can change it; up restores it']),
      'mode share/other (now 600): its permissions were changed, some may no longer read or run it; up restores it',
      'replaced share/text (now a folder): another kind of file lies there; up restores it',
      'added lib/evil?[2J.so: put there by someone else, Postgres may load it; up removes it',
      'missing lib/vector.so: functions of this library fail; up restores it',
    ])
    await install(target, { distribution, vector })
    expect(await drift(target)).toEqual([])
    expect(completeState(target.root)?.generation).toBe(2)
  })

  test('Seen: a current that was led astray, back, or away, and the next run puts it right without content', async () => {
    const target = await installed()
    await install(target, { distribution, vector: extension('2') })
    const current = at(target, 'current')
    const lead = (to: string) => {
      rmSync(current, { force: true, recursive: true })
      symlinkSync(to, current)
    }
    lead('generations/1')
    expect(await drift(target)).toEqual([
      'taken back to generation 1 (the newest is 2): servers see what was installed before; up installs what the stack declares',
    ])
    for (const to of ['/etc', 'generations/77', '2']) {
      lead(to)
      expect(await drift(target)).toEqual([
        `retargeted instances/main/current (now leads to ${to}): the next start of Postgres and its extensions come from somewhere else, or fail; up sets it back`,
      ])
    }
    rmSync(current)
    expect(await drift(target)).toEqual([
      'missing instances/main/current: the next start of Postgres and its extensions come from somewhere else, or fail; up sets it back',
    ])
    // What another stack declares is known from the record, and stays.
    await install(target, { distribution })
    expect(await drift(target)).toEqual([])
    expect(readFileSync(at(target, 'current/live/lib/vector.so'), 'utf8')).toBe('2')
  })

  test('Seen: a record, a list, a link or a unit of a generation that was edited; the record survives', async () => {
    const target = await installed()
    writeFileSync(at(target, 'current/record.json'), '{"version":1')
    appendFileSync(at(target, 'current/members'), 'x\n')
    rmSync(at(target, 'current/live'))
    symlinkSync(`../../../../trees/${basename(readlinkSync(at(target, 'current/root')))}`, at(target, 'current/live'))
    const lines = await drift(target)
    expect(lines.map((line) => line.replace(/ \(.*/, ''))).toEqual([
      'retargeted instances/main/generations/1/live',
      'modified instances/main/generations/1/members: it no longer says what was installed; up writes it anew',
      'modified instances/main/generations/1/record.json: it no longer says what was installed; up writes it anew',
    ])
    await install(target, { distribution })
    expect(await drift(target)).toEqual([])
    expect(completeState(target.root)?.generation).toBe(2)
    expect(readFileSync(at(target, 'current/live/lib/vector.so'), 'utf8')).toBe('vector')
  })

  test('a backup that was restored is re-baselined once, and is no drift', async () => {
    const target = await installed()
    const restore = (how: (from: string, to: string) => void) => {
      const before = `${target.root}.before`
      renameSync(target.root, before)
      how(before, target.root)
      rmSync(before, { recursive: true })
    }
    restore((from, to) => {
      mkdirSync(to)
      execFileSync('sh', ['-c', 'tar -C "$1" -cf - . | tar -C "$2" -xpf -', 'sh', from, to])
    })
    const seen = await look(target)
    expect(describeDrift(findDrift(seen))).toEqual([])
    expect(renewedLines(seen).join('\n')).toMatch(
      /^metadata re-baselined: \d+ entries of the tree "(?:root|live)" have other inodes or times, as after a restored backup, and the right content$/m,
    )
    expect((await look(target)).renewed).toEqual([])
    // One that knows no hardlinks takes the space twice.
    restore((from, to) => cpSync(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true }))
    const copied = await look(target)
    expect(describeDrift(findDrift(copied))).toEqual([])
    expect(renewedLines(copied).join('\n')).toMatch(/; 3 of them are copies that no longer share the store's space/)
    expect((await look(target)).renewed).toEqual([])
    // Content that came back wrong is drift, whatever the times say.
    restore((from, to) => cpSync(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true }))
    writeInPlace(at(target, 'current/root/share/text'), 'A text')
    expect(await drift(target)).toMatchObject([/^modified share\/text/].map((one) => expect.stringMatching(one)))
  })

  test('damaged metadata hides nothing', async () => {
    const target = await installed()
    const metadata = join(target.root, 'meta', basename(readlinkSync(at(target, 'current/root'))))
    writeFileSync(metadata, 'z\na\nnothing\n')
    expect((await look(target)).renewed).toHaveLength(1)
    expect((await look(target)).renewed).toHaveLength(0)
    writeInPlace(at(target, 'current/root/share/text'), 'A text')
    unlinkSync(metadata)
    const seen = await look(target)
    expect(seen.renewed).toEqual([])
    expect(describeDrift(findDrift(seen)).join('\n')).toMatch(/^modified share\/text \(now sha256 [0-9a-f]{12}\)/)
  })

  test('Repair sends only what is damaged, and takes the rest from the good objects of the host', async () => {
    let sent: Buffer = Buffer.alloc(0)
    const seeing = damaging(transport, 'push', ({ stdin }) => {
      sent = stdin
    })
    const target = targetAt(join(temporaryFolder(), 'store'), seeing)
    await install(target, { distribution, vector })
    expect(sent.includes('a text') && sent.includes('another text')).toBe(true)
    const text = () => at(target, 'current/root/share/text')
    const repaired = async () => {
      expect(await drift(target)).toHaveLength(1)
      await install(target, { distribution, vector })
      expect(await drift(target, 'full')).toEqual([])
      checkObjects(target.root)
      completeState(target.root)
      // The server's binary is larger than all else together.
      expect(sent.length).toBeLessThan(40_000)
      expect(sent.includes('another text')).toBe(false)
      return sent.includes('a text') ? 1 : 0
    }
    rmSync(text())
    expect(await repaired()).toBe(0)
    rmSync(text())
    writeFileSync(text(), 'replaced', { mode: 0o444 })
    expect(await repaired()).toBe(0)
    rmSync(at(target, 'current/root/link'))
    expect(await repaired()).toBe(0)
    writeInPlace(text(), 'A TEXT')
    expect(await repaired()).toBe(1)
    const [object = ''] = execFileSync('sh', [
      '-c',
      'find "$1" -samefile "$2"',
      'sh',
      join(target.root, 'objects'),
      text(),
    ])
      .toString()
      .split('\n')
    rmSync(object)
    expect((await drift(target)).join()).toMatch(
      /^damaged objects\/.*the next change would install it; up sends it again/,
    )
    expect(await repaired()).toBe(1)
    rmSync(object)
    writeFileSync(object, 'a lie', { mode: 0o444 })
    expect(await repaired()).toBe(1)
  })

  test('a former tree that was damaged is not gone back to, nor is its damage taken over', async () => {
    const target = await installed()
    writeFileSync(at(target, 'current/root/share/added'), '')
    const former = at(target, 'generations/1/root/share/text')
    await install(target, { distribution: upgraded, vector })
    expect(existsSync(former)).toBe(true)
    writeInPlace(former, 'A text')
    // Of no concern until somebody goes back.
    expect(await drift(target)).toEqual([])
    await install(target, { distribution, vector })
    expect(await drift(target, 'full')).toEqual([])
    expect(readFileSync(at(target, 'current/root/share/text'), 'utf8')).toBe('a text')
    expect(completeState(target.root)?.generation).toBe(3)
  })

  test('Bug: sessions that had used anything were pending after each change, though it had left that as it was', async () => {
    const target = await installed({ distribution, vector: extension(readFileSync(libm)) })
    await runWith(target, 'vector')
    await install(target, { cube: imageOf({ 'live/lib/cube.so': 'cube' }, { distribution: false }) })
    expect(findPending(await look(target))).toEqual([])
  })

  test('a server that still runs the former tree is pending, and so are sessions with former libraries', async () => {
    const real = extension(readFileSync(libm))
    const target = await installed({ distribution, vector: real })
    const pid = await runWith(target, 'vector')
    const pending = async () => findPending(await look(target)).map(pendingLine)
    expect(await pending()).toEqual([])
    await install(target, { distribution, vector: extension('2') })
    expect(await pending()).toEqual([
      `session pending: process ${pid} with lib/vector.so: they run a file of generation 1 until their sessions end`,
    ])
    await install(target, { distribution, vector: real })
    rmSync(at(target, 'current/live/lib/vector.so'))
    expect(await pending()).toEqual([
      `session pending: process ${pid} with lib/vector.so: they run a file that was removed or replaced until their sessions end`,
    ])
    await install(target, { distribution: upgraded, vector: real })
    const lines = await pending()
    expect(lines[0]).toMatch(
      new RegExp(
        `^restart pending: postmaster ${pid}, since 20..-..-.. ..:..:.. UTC: it runs what generation \\d installed`,
      ),
    )
    expect(await drift(target)).toEqual([])
  })
})

test('ten thousand drifted files and more are told in bounded space, by name and by count', async () => {
  const many = Object.fromEntries(Array.from({ length: 10_500 }, (_, n) => [`root/share/many/${n}`, `content ${n}`]))
  const target = targetAt(join(temporaryFolder(), 'store'), hostTransport(dashHost))
  await install(target, { distribution: imageOf({ ...files, ...many }, { distribution: true }) })
  const folder = at(target, 'current/root/share/many')
  rmSync(folder, { recursive: true })
  mkdirSync(join(folder, '../new'))
  for (let n = 0; n < 12_000; n += 1) writeFileSync(join(folder, `../new/${n}`), '')
  const found = findDrift(await look(target))
  expect(found.filter(({ kind }) => kind === 'missing')).toHaveLength(10_501)
  expect(found.filter(({ kind }) => kind === 'added')).toHaveLength(10_001)
  expect(found.at(-1)?.path).toBe('and 2001 more files')
  expect(driftOf(found, new Map(), [])).toHaveLength(20_502)
  expect(describeDrift(found).at(-1)).toBe('and 20482 more')
})

testWith('dpkg-deb', 'dpkg-query')('a file that a package wrote into a tree is told with the package', async () => {
  const folder = temporaryFolder()
  const admin = join(folder, 'dpkg')
  mkdirSync(join(admin, 'info'), { recursive: true })
  mkdirSync(join(admin, 'updates'))
  for (const name of ['status', 'available']) writeFileSync(join(admin, name), '')
  const env = { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, DPKG_ADMINDIR: admin }
  const target = targetAt(join(folder, 'store'), localTransport({ env }))
  await install(target, { distribution, vector })
  const built = join(folder, 'built')
  const inside = join(built, at(target, 'root/share'))
  mkdirSync(join(built, 'DEBIAN'), { recursive: true })
  mkdirSync(inside, { recursive: true })
  writeFileSync(join(inside, 'text'), 'from a package', { mode: 0o444 })
  const control = 'Package: intruder\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: x\n'
  writeFileSync(join(built, 'DEBIAN/control'), control)
  execFileSync('dpkg-deb', ['--root-owner-group', '-b', built, join(folder, 'intruder.deb')], { stdio: 'ignore' })
  execFileSync(
    'dpkg',
    ['--force-not-root', `--log=${join(folder, 'log')}`, `--admindir=${admin}`, '-i', join(folder, 'intruder.deb')],
    {
      env,
      stdio: 'ignore',
    },
  )
  expect((await drift(target)).filter((line) => line.includes('text'))).toEqual([
    expect.stringMatching(/^modified share\/text \(now sha256 [0-9a-f]{12}, of package intruder\): /),
  ])
})

testWith('rpm', 'rpmbuild')('the same by rpm', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, '.rpmmacros'), `%_dbpath ${folder}/db\n%_topdir ${folder}/build\n`)
  const env = { PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, HOME: folder }
  const target = targetAt(join(folder, 'store'), localTransport({ env }))
  await install(target, { distribution, vector })
  const path = at(target, 'root/share/text')
  const spec = `Name: intruder
Version: 1
Release: 1
Summary: x
License: x
BuildArch: noarch
%description
x
%install
install -D -m 444 /dev/null %{buildroot}${path}
echo from a package >%{buildroot}${path}
%files
${path}
`
  writeFileSync(join(folder, 'intruder.spec'), spec)
  execFileSync('rpmbuild', ['-bb', join(folder, 'intruder.spec')], { env, stdio: 'ignore' })
  const built = join(folder, 'build/RPMS/noarch/intruder-1-1.noarch.rpm')
  execFileSync('rpm', ['-i', '--force-debian', '--nodeps', built], { env, stdio: 'ignore' })
  expect((await drift(target)).filter((line) => line.includes('text'))).toEqual([
    expect.stringMatching(/^modified share\/text \(now sha256 [0-9a-f]{12}, of package intruder\): /),
  ])
})
