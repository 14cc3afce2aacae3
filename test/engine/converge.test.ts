import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type ConvergeOptions, converge } from '../../src/engine/converge.ts'
import type { Change } from '../../src/engine/declare.ts'
import { loadDistribution } from '../../src/engine/distribution.ts'
import { loadExtension } from '../../src/engine/extension.ts'
import type { ImageRequest } from '../../src/engine/image.ts'
import type { LoadedMember } from '../../src/engine/member.ts'
import { packing } from '../../src/engine/pack.ts'
import { distributionName } from '../../src/engine/record.ts'
import { localTransport } from '../../src/host/local.ts'
import type { StoreTarget } from '../../src/host/store.ts'
import { type Digest, parseDigest } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import { openSource } from '../../src/oci/open.ts'
import { distributionFiles, extensionFiles, writeLayout } from '../support/postgres-images.ts'

const folder = mkdtempSync(join(tmpdir(), 'pgoci-converge-'))
const cache = openCache(join(folder, 'cache'))
const packs = packing(folder)
const platform = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`
/** So many objects that a first look does not ask for each of them. */
const many = new Map(
  Array.from({ length: 1200 }, (_, index) => [`share/postgresql/many/${index}`, Buffer.from(`${index}`)]),
)
let digests: Map<string, string>
let target: StoreTarget
let execs = 0
let asked = 0
let told = 0
let stores = 0

beforeAll(async () => {
  digests = await writeLayout(join(folder, 'images'), [
    { tag: 'pg18', files: distributionFiles() },
    {
      tag: 'pg18-2',
      files: [distributionFiles(), many, new Map([['share/postgresql/many/0', Buffer.from('second')]])],
    },
    { tag: 'pg18-1', files: [distributionFiles(), many] },
    { tag: 'hstore', files: extensionFiles('hstore') },
    { tag: 'hstore-2', files: extensionFiles('hstore', (control) => `# second\n${control}`) },
    { tag: 'hstore-zstd', files: extensionFiles('hstore'), compression: 'zstd' },
    { tag: 'cube', files: extensionFiles('cube') },
  ])
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

beforeEach(async () => {
  stores += 1
  const host = localTransport()
  const exec: typeof host.exec = (command, options) => {
    execs += 1
    if (typeof options?.stdin === 'string') asked += options.stdin.match(/^want /gm)?.length ?? 0
    const onOutput = (chunk: Buffer) => {
      told += `${chunk}`.match(/^m\t/gm)?.length ?? 0
      options?.onOutput?.(chunk)
    }
    return host.exec(command, { ...options, onOutput })
  }
  const transport = { ...host, exec }
  target = {
    transport,
    sudo: false,
    root: join(folder, `store-${stores}`),
    instance: 'main',
    lockWait: 5,
    holder: 'test',
  }
  await change(await put(distributionName, 'pg18'))
  execs = 0
  asked = 0
})

const request = (image: string): ImageRequest => {
  const reference = parseReference(image)
  return { source: openSource(reference, {}), reference, digest: reference.digest as Digest, platform, cache }
}
const load = async (name: string, image: string): Promise<LoadedMember> =>
  name === distributionName
    ? (await loadDistribution(request(image), target.root)).member
    : (await loadExtension(request(image))).member

async function put(name: string, tag: string, owner: { token?: string; stack?: string } = {}): Promise<Change> {
  const image = `oci:${join(folder, 'images')}@${digests.get(tag)}`
  const loaded = await load(name, image)
  const { token = name, stack = 'shop/prod' } = owner
  const digest = parseDigest(digests.get(tag) as string)
  const major = loaded.major === undefined ? {} : { major: loaded.major }
  return { do: 'put', loaded, member: { name, token, stack, reference: tag, image, digest, platform, ...major } }
}

const change = (...changes: Change[]) => changeWith({}, ...changes)

const changeWith = (options: Pick<ConvergeOptions, 'atHand'>, ...changes: Change[]) =>
  converge(target, changes, {
    ...options,
    load: ({ name, image }) => load(name, image),
    files: () => new Map(),
    packing: packs,
    who: 'test',
  })

const control = () =>
  readFileSync(join(target.root, 'instances/main/current/live/share/extension/hstore.control'), 'utf8')

test('a change takes a probe and a push, the same again a probe', async () => {
  await change(await put('hstore', 'hstore'), await put('cube', 'cube'))
  expect(execs).toBe(2)
  await change(await put('hstore', 'hstore'))
  expect(execs).toBe(3)
})

test('Bug: another image of the same files was refused, with a disk that is full; it changes the record and nothing else', async () => {
  await change(await put('hstore', 'hstore'))
  execs = 0
  const [, member] = await change(await put('hstore', 'hstore-zstd')).then(({ members }) => members)
  expect(member?.digest).toBe(digests.get('hstore-zstd'))
  expect(execs).toBe(2)
})

test('a host is asked for objects that its own trees do not tell of, and for none when it goes back', async () => {
  const cost = async (tag: string) => {
    ;[execs, asked] = [0, 0]
    await change(await put(distributionName, tag))
    return { execs, asked }
  }
  expect(await cost('pg18-1')).toEqual({ execs: 3, asked: 1200 })
  expect(await cost('pg18-2')).toEqual({ execs: 3, asked: 1 })
  expect(await cost('pg18-1')).toEqual({ execs: 2, asked: 0 })
  await change({ do: 'delete', name: distributionName, token: distributionName })
  expect(await cost('pg18-1')).toMatchObject({ asked: 0 })
})

test('a host does not tell of trees that this machine has at hand, and what they bring is not sent again', async () => {
  const { loaded } = (await put(distributionName, 'pg18')) as Extract<Change, { do: 'put' }>
  const tree = join(target.root, 'instances/main/current/root')
  told = 0
  await change(await put('cube', 'cube'))
  expect(told).toBe(loaded.tree.size)
  told = 0
  await changeWith({ atHand: async () => [loaded.tree] }, await put('hstore', 'hstore'))
  expect(told).toBe((await load('cube', `oci:${join(folder, 'images')}@${digests.get('cube')}`)).tree.size)
  expect(control()).toContain('hstore')
  // Not of the host: then it is sent.
  rmSync(join(target.root, 'manifests', loaded.treeDigest.replace('sha256:', '')))
  await changeWith({ atHand: async () => [loaded.tree] }, { do: 'delete', name: 'cube', token: 'cube' })
  expect(readdirSync(join(target.root, 'manifests'))).toContain(loaded.treeDigest.replace('sha256:', ''))
  expect(readdirSync(tree).length).toBeGreaterThan(0)
})

test('Bug: what is used again, and whose tree is at hand, was read from its image', async () => {
  const { loaded, member } = (await put('hstore', 'hstore')) as Extract<Change, { do: 'put' }>
  await change({ do: 'put', loaded, member })
  const again = { ...member, reference: 'another tag', treeDigest: loaded.treeDigest }
  const { members } = await converge(target, [{ do: 'reuse', layout: undefined, member: again }], {
    atHand: async () => [loaded.tree],
    load: async ({ image }) => expect.unreachable(image),
    files: () => new Map(),
    packing: packs,
    who: 'test',
  })
  expect(members.find(({ name }) => name === 'hstore')?.reference).toBe('another tag')
})

test('Bug: an object that is gone from the store, but not from its trees, is sent again', async () => {
  await change(await put('hstore', 'hstore'))
  const objects = join(target.root, 'objects')
  for (const shard of readdirSync(objects)) rmSync(join(objects, shard), { recursive: true })
  await change(await put('cube', 'cube'))
  expect(control()).toContain('hstore')
  expect(readdirSync(objects).length).toBeGreaterThan(100)
})

test('a change that another controller makes meanwhile is kept', async () => {
  const mine = await put('hstore', 'hstore')
  const other = await put('cube', 'cube')
  const { transport } = target
  let isFirst = true
  const slow: StoreTarget = {
    ...target,
    transport: {
      ...transport,
      exec: async (command, options) => {
        const isPush = command.endsWith('pgoci-push')
        if (isPush && isFirst) {
          isFirst = false
          await change(other)
        }
        return transport.exec(command, options)
      },
    },
  }
  await converge(slow, [mine], {
    load: ({ name, image }) => load(name, image),
    files: () => new Map(),
    packing: packs,
    who: 'me',
  })
  expect(readdirSync(join(target.root, 'instances/main/current/live/lib'))).toEqual(
    expect.arrayContaining(['cube.so', 'hstore.so']),
  )
})

test('Owned: delete removes only what carries its token, and another stack takes nothing over', async () => {
  await change(await put('hstore', 'hstore'))
  await change({ do: 'delete', name: 'hstore', token: 'of a resource that was renamed' })
  expect(control()).toContain('hstore')
  const theirs = await put('hstore', 'hstore-2', { token: 'theirs', stack: 'blog/prod' })
  await expect(change(theirs)).rejects.toThrow('the stack "shop/prod" declares it')
  await change(await put('hstore', 'hstore-2', { token: 'renamed' }))
  expect(control()).toContain('# second')
})
