import { mkdirSync, renameSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { listHostFiles } from '../../src/engine/host-files.ts'
import { inventory, type KnownFiles } from '../../src/host/inventory.ts'
import { digestOf } from '../../src/model/digest.ts'
import { openCache } from '../../src/oci/cache.ts'
import { temporaryFolder } from '../support/folder.ts'
import { hosts, hostTransport } from '../support/hosts.ts'

const digest = (text: string) => digestOf(Buffer.from(text))
const lie = digest('what was never there')

describe.each(hosts)('what a Postgres has on a host: $name', (host) => {
  const folder = temporaryFolder()
  const path = (name: string) => join(folder, name)
  const put = (name: string, text: string) => writeFileSync(path(name), text)
  for (const name of ['bin', 'lib', 'share/extension', 'system']) mkdirSync(path(name), { recursive: true })
  const server = { bin: path('bin'), library: path('lib'), share: path('share'), version: '', settings: [] }
  put('bin/postgres', 'server')
  put('lib/a b.so', 'module')
  put('share/extension/hstore.control', 'control')
  put('system/libx.so.6.1', 'library')
  symlinkSync('libx.so.6.1', path('system/libx.so.6'))

  const changed = () =>
    Math.max(...['bin/postgres', 'lib/a b.so', 'system/libx.so.6.1'].map((name) => statSync(path(name)).ctimeMs))
  /** A host whose clock has gone so many seconds since the last of the files was changed. */
  const target = (seconds: number) => ({
    transport: hostTransport(host, {
      programs: {
        ldconfig: `printf '\\tlibx.so.6 (libc6,x86-64) => ${path('system/libx.so.6')}\\n'`,
        date: `echo ${Math.floor(changed() / 1000) + seconds}`,
      },
    }),
    ...{ sudo: false, root: path('store'), instance: 'main', lockWait: 5, holder: 'test' },
  })
  /** Our files of those that a look lists, by their names, with what they hold. */
  const look = async (seconds: number, known?: KnownFiles) => {
    const { files, ...rest } = await inventory(target(seconds), server, known ? { known } : {})
    const own = files.filter((file) => file.path.startsWith(folder))
    return { ...rest, own: Object.fromEntries(own.map((file) => [file.path.slice(folder.length + 1), file.digest])) }
  }
  const all = {
    'bin/postgres': digest('server'),
    'lib/a b.so': digest('module'),
    'share/extension/hstore.control': digest('control'),
    'system/libx.so.6.1': digest('library'),
  }
  const lies = (known: KnownFiles): KnownFiles => new Map([...known].map(([line]) => [line, lie]))

  test('a file that looks as it did is not read again; one that does not is, whatever it keeps', async () => {
    const first = await look(10)
    expect(first.own).toEqual(all)
    expect(first.links).toEqual(new Map([[path('system/libx.so.6'), path('system/libx.so.6.1')]]))
    const { own, known } = await look(10, lies(first.known))
    expect(own).toEqual(Object.fromEntries(Object.keys(all).map((name) => [name, lie])))

    // As long as it was, and as old: only its inode tells, as of a library that a package replaces.
    const { size, mtime } = statSync(path('system/libx.so.6.1'))
    put('system/new', 'LIBRARY')
    renameSync(path('system/new'), path('system/libx.so.6.1'))
    // The same inode, written in place.
    const before = statSync(path('lib/a b.so'))
    put('lib/a b.so', 'MODULE')
    for (const [name, time] of [
      ['system/libx.so.6.1', mtime],
      ['lib/a b.so', before.mtime],
    ] as const)
      utimesSync(path(name), time, time)
    expect(statSync(path('system/libx.so.6.1'))).toMatchObject({ size, mtime })
    renameSync(path('share/extension/hstore.control'), path('share/extension/other.control'))
    const second = await look(10, known)
    expect(second.own).toEqual({
      'bin/postgres': lie,
      'lib/a b.so': digest('MODULE'),
      'share/extension/other.control': digest('control'),
      'system/libx.so.6.1': digest('LIBRARY'),
    })
    expect(second.known.size).toBe(known.size)
  })

  test('one that was changed in the seconds before is read again, because it may change once more unseen', async () => {
    const isKept = async (seconds: number) =>
      [...(await look(seconds)).known.keys()].some((line) => line.endsWith(path('lib/a b.so')))
    expect(await Promise.all([0, 1, 2, 3].map(isKept))).toEqual([false, false, false, true])
  })

  test('a controller keeps what it was told of each host, and asks for all of it where `verify` is full', async () => {
    const cache = openCache(join(temporaryFolder(), 'cache'))
    const list = async (name: string, verify: 'quick' | 'full') => {
      const at = target(10)
      const { files } = await listHostFiles({ ...at, transport: { ...at.transport, name } }, server, { cache, verify })
      return files.find((file) => file.path === path('bin/postgres'))?.digest
    }
    expect(await list('db1', 'quick')).toBe(digest('server'))
    // What it keeps is a lie from here on.
    const { known } = await look(10)
    await cache.writeJson('host-files-v1', JSON.stringify(['db1', server.bin]), [...lies(known)])
    expect(await list('db1', 'quick')).toBe(lie)
    expect(await list('db2', 'quick')).toBe(digest('server'))
    expect(await list('db1', 'full')).toBe(digest('server'))
    expect(await list('db1', 'quick')).toBe(digest('server'))
  })

  test('lines that no look could have made are not taken', async () => {
    const odd = new Map([
      ['1\t2\t3\t4\t5\t/etc/passwd\n', lie],
      ['words', lie],
      ['', lie],
    ])
    const { own, known } = await look(10, odd)
    expect(Object.keys(own)).toHaveLength(4)
    expect([...known.values()]).not.toContain(lie)
  })
})
