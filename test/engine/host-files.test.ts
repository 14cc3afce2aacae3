import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readHostFiles } from '../../src/engine/host-files.ts'
import { loadInstalled } from '../../src/engine/installed.ts'
import { localTransport } from '../../src/host/local.ts'
import { digestOf } from '../../src/model/digest.ts'
import { openCache } from '../../src/oci/cache.ts'
import { temporaryFolder } from '../support/folder.ts'

const folder = temporaryFolder()
const store = { sudo: false, root: join(folder, 'store'), instance: 'main', lockWait: 5, holder: 'test' }
const target = { ...store, transport: localTransport() }

function hostFile(name: string, bytes: Buffer) {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return { path, digest: digestOf(bytes), size: bytes.length }
}

const small = hostFile('small', Buffer.from('hello'))
const empty = hostFile('empty', Buffer.alloc(0))

const large = hostFile('large', Buffer.alloc(300_000, 'x'))

async function read(isEdged: boolean, files = [small, empty, large]) {
  const wanted = new Set(files.map(({ digest }) => digest))
  return Array.fromAsync(readHostFiles(files, wanted, { target, isEdged }))
}

test('files of a host come whole, or of large ones both ends, in one answer', async () => {
  const whole = await read(false)
  expect(whole.map(({ digest, bytes }) => [digest, digestOf(bytes)])).toEqual(
    [small, empty, large].map(({ digest }) => [digest, digest]),
  )
  const [, , edged] = await read(true)
  const tail = 64 * 1024
  expect(edged).toMatchObject({ digest: large.digest, hole: { from: tail, to: large.size - tail } })
  expect(edged?.bytes.subarray(-tail)).toEqual(readFileSync(large.path).subarray(-tail))
})

test.each([
  ['changed', 'jello', 'small changed meanwhile'],
  ['grew', 'hello hello', 'its files changed meanwhile'],
  ['shrank', 'he', 'changed meanwhile'],
])('a file that %s since it was listed is told', async (_, text, message) => {
  const file = hostFile('changing', Buffer.from('hello'))
  writeFileSync(file.path, text)
  await expect(read(false, [file])).rejects.toThrow(message.replace('small', file.path))
})

test('Bug: a server that looks into its own folders only was refused by up, after its preview; now nothing is read', async () => {
  const bin = '/usr/pgsql-16/bin'
  const server = { bin, library: bin, share: bin, version: 'postgres (PostgreSQL) 16.4', settings: [] }
  const transport = { ...localTransport(), exec: () => Promise.reject(new Error('the host was asked')) }
  const loading = loadInstalled(
    { ...store, transport },
    { server, cluster: '/var/lib/pgsql/16/data' },
    { platform: 'linux/amd64', cache: openCache(join(folder, 'cache')) },
  )
  await expect(loading).rejects.toThrow('it loads them from its own folders only')
})
