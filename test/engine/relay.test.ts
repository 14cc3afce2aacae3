import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type Packing, packing } from '../../src/engine/pack.ts'
import { openRelay, parseRelay, type Relay } from '../../src/engine/relay.ts'
import type { Transport } from '../../src/host/transport.ts'
import { digestOf } from '../../src/model/digest.ts'
import { openCache } from '../../src/oci/cache.ts'
import type { RegistrySetting } from '../../src/oci/settings.ts'
import {
  type Fault,
  type RegistryOptions,
  send,
  startRegistry,
  status,
  type TestRegistry,
} from '../support/fault-registry.ts'
import { temporaryFolder } from '../support/folder.ts'
import { dashHost, hosts, hostTransport } from '../support/hosts.ts'
import { checkObjects, completeState, imageOf, install, stagingOf, targetAt } from '../support/store.ts'

const large = randomBytes(500_000).toString('hex')
const images = () => ({
  distribution: imageOf(
    { 'root/bin/postgres*': large, 'live/lib/a.so': 'a', 'live/share/b': 'b' },
    { distribution: true },
  ),
})

const closing: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close()
})

async function relayAt(options: RegistryOptions = {}, setting: RegistrySetting = {}) {
  const registry = await startRegistry({}, [], options)
  closing.push(registry)
  return { ...openedAt(registry, mkdtempSync(join(temporaryFolder(), 'cache-')), setting), registry }
}

function openedAt(registry: TestRegistry, folder: string, setting: RegistrySetting = {}) {
  const lines: string[] = []
  const environment = {
    settings: { [registry.host]: { insecure: true, ...setting } },
    env: {},
    systemRoot: '/nonexistent',
    log: (line: string) => void lines.push(line.replaceAll(registry.host, 'HOST')),
    network: { wait: async () => {} },
  }
  const relay = openRelay(parseRelay(`${registry.host}/near/cache`), { environment, cache: openCache(folder) })
  const gets = () => registry.requests.filter((line) => line.startsWith('GET') && line.includes('/blobs/'))
  return { relay, lines, gets }
}

/** Counts what a host is sent, and its commands. */
function counting(transport: Transport) {
  const counts = { bytes: 0, commands: 0 }
  return {
    counts,
    transport: {
      ...transport,
      exec: async (command: string, options: Parameters<Transport['exec']>[1] = {}) => {
        counts.commands += 1
        if (typeof options.stdin === 'object')
          options.stdin.on('data', (chunk: Buffer) => {
            counts.bytes += chunk.length
          })
        return transport.exec(command, options)
      },
    },
  }
}

async function installed(
  transport: Transport,
  relay: Relay,
  options: { images?: ReturnType<typeof images>; packing?: Packing } = {},
) {
  const root = join(mkdtempSync(join(temporaryFolder(), 'host-')), 'store')
  const counted = counting(transport)
  const { images: installs = images(), ...rest } = options
  await install(targetAt(root, counted.transport), installs, { relay, ...rest })
  completeState(root)
  expect(checkObjects(root)).toBe([...installs.distribution.tree.values()].filter(({ kind }) => kind === 'file').length)
  expect(stagingOf(root)).toEqual([])
  return counted.counts
}

describe.each(hosts)('on $name', (host) => {
  test.each([
    ['curl', ['wget']],
    ['wget', ['curl']],
  ])('%s brings the pack, which is published once, and SSH only the rest', async (_, without) => {
    const { relay, lines, gets, registry } = await relayAt()
    for (let number = 1; number <= 3; number += 1) {
      const { bytes, commands } = await installed(hostTransport(host, { without }), relay)
      expect(bytes).toBeLessThan(100_000)
      expect(commands).toBe(2)
    }
    expect(gets()).toHaveLength(3)
    expect(registry.requests.filter((line) => line.startsWith('PUT') && line.includes('uploads'))).toHaveLength(2)
    expect(lines).toEqual([])
  })

  const lies: Fault = send(Buffer.alloc(100_000))
  const more: Fault = (answer) => {
    answer.writeHead(200)
    const chunk = randomBytes(1_000_000)
    const write = () => void answer.write(chunk, (error) => error || write())
    write()
  }
  test.each<[string, Fault, RegExp]>([
    ['lies', lies, /could not use the relay \(\d+ of \d+ bytes came\)/],
    ['sends without end', more, /\(it sends more than the \d+ bytes that were announced\)|\(curl: /],
    [
      'breaks off',
      (answer) => void answer.writeHead(200, { 'content-length': 9_000_000 }).write('x', () => answer.destroy()),
      /bytes came|curl: /,
    ],
    ['has lost it', status(404), /curl: \(22\).* 404/],
    ['redirects to a file', status(307, { location: 'file:///etc/passwd' }), /curl: \(1\)/],
  ])('a relay that %s is replaced by SSH, with one line', async (_, fault, line) => {
    const { relay, lines, registry } = await relayAt()
    registry.fault(/^GET .*blobs/, fault)
    const { bytes, commands } = await installed(hostTransport(host), relay)
    expect(bytes).toBeGreaterThan(400_000)
    expect(commands).toBe(3)
    expect(lines).toEqual([expect.stringMatching(line)])
    expect(lines[0]).toMatch(/: what it has is sent over SSH$/)
  })

  test('a host without curl and wget gets all of it over SSH, and the line names what to install', async () => {
    const { relay, lines, gets } = await relayAt()
    const { bytes } = await installed(hostTransport(host, { without: ['curl', 'wget'] }), relay)
    expect(bytes).toBeGreaterThan(400_000)
    expect(gets()).toEqual([])
    expect(lines).toEqual([
      'localhost could not use the relay (neither curl nor wget is there; install one of them): what it has is sent over SSH',
    ])
  })
})

const account = { username: 'robot', password: 'hunter2' }
const accounts = { [account.username]: account.password }

describe('the digest of a pack is remembered', () => {
  const runs: Packing[] = []
  const image = images().distribution
  const other = imageOf({ 'root/bin/postgres*': randomBytes(200_000).toString('hex') }, { distribution: true })
  const install = async (folder: string, relay: Relay, distribution = image) => {
    distribution.reads = 0
    const own = packing(folder)
    // Its files are open as long as a run lasts.
    runs.push(own)
    const options = { images: { distribution }, packing: own }
    const counts = await installed(hostTransport(dashHost), relay, options)
    return { ...counts, reads: distribution.reads }
  }
  /** Entries of the cache, by their paths. */
  const entries = (folder: string) => {
    const at = join(folder, 'derived/packed-v1')
    return readdirSync(at).map((name) => [join(at, name), readFileSync(join(at, name), 'utf8')] as const)
  }
  /** One run for each image, and then another run. */
  async function later(between: (folder: string, registry: TestRegistry) => void) {
    const folder = mkdtempSync(join(temporaryFolder(), 'cache-'))
    const { registry } = await relayAt()
    for (const one of [other, image]) await install(folder, openedAt(registry, folder).relay, one)
    between(folder, registry)
    const { relay, lines } = openedAt(registry, folder)
    return { ...(await install(folder, relay)), lines, folder, registry }
  }

  test('so that a later run has it fetched without packing it again', async () => {
    const { reads, bytes, lines } = await later(() => {})
    expect(reads).toBe(0)
    expect(bytes).toBeLessThan(100_000)
    expect(lines).toEqual([])
  })

  const sealed = (body: string) => `${digestOf(body)}\n${body}`
  test.each<[string, (folder: string, registry: TestRegistry) => void]>([
    ['the relay has lost it', (_, { repositories }) => repositories.get('near/cache')?.content.clear()],
    [
      'the entry is torn',
      (folder) => entries(folder).forEach(([path, text]) => void writeFileSync(path, text.slice(9))),
    ],
    [
      'the entry is of another shape',
      (folder) =>
        entries(folder).forEach(([path]) => void writeFileSync(path, sealed('{"digest":"sha256:1","size":-1}'))),
    ],
  ])('and packed again when %s', async (_, between) => {
    const { reads, bytes, lines } = await later(between)
    expect(reads).toBe(3)
    expect(bytes).toBeLessThan(100_000)
    expect(lines).toEqual([])
  })

  test('an entry that tells another pack costs one try, with a line, and is mended', async () => {
    const swap = (folder: string) => {
      // Those of the trees are small, and no relay has them.
      const large = entries(folder).filter(([, text]) => JSON.parse(text.slice(72)).size > 100_000)
      const [[one, first], [two, second]] = large as [[string, string], [string, string]]
      writeFileSync(one, second)
      writeFileSync(two, first)
    }
    const { commands, bytes, lines, folder, registry } = await later(swap)
    expect(commands).toBe(3)
    expect(bytes).toBeGreaterThan(400_000)
    expect(lines).toEqual([expect.stringMatching(/: what it has is sent over SSH$/)])
    // The first of them was doubted, and left out.
    await install(folder, openedAt(registry, folder).relay)
    expect(await install(folder, openedAt(registry, folder).relay)).toMatchObject({ reads: 0, commands: 2 })
  })
})

test('who publishes has a login and hosts have none: what they are given is what anybody gets', async () => {
  const { relay, lines, gets, registry } = await relayAt({ login: { kind: 'bearer', public: true, accounts } }, account)
  const { bytes } = await installed(hostTransport(dashHost), relay)
  expect(lines).toEqual([])
  expect(bytes).toBeLessThan(100_000)
  expect(gets()).toHaveLength(1)
  const anonymous = registry.records.filter(({ server, url }) => server === 'tokens' && !url.includes('push'))
  expect(anonymous.map(({ headers }) => headers.authorization)).toEqual([undefined])
  const fetched = registry.records.find(({ method, url }) => method === 'GET' && url.includes('/blobs/'))
  expect(fetched?.headers['user-agent']).toMatch(/^curl/)
})

test.each([
  ['gives nothing to anybody', { login: { kind: 'basic', accounts } }, account, /answered 401/],
  ['wants another login', { login: { kind: 'basic', accounts } }, {}, /answered 401/],
] as const)('a relay that %s is not used in this run, and said to be so once', async (_, options, setting, line) => {
  const { relay, lines, gets } = await relayAt(options, setting)
  for (let number = 1; number <= 2; number += 1)
    expect((await installed(hostTransport(dashHost), relay)).bytes).toBeGreaterThan(400_000)
  expect(gets()).toEqual([])
  expect(lines).toEqual([expect.stringMatching(/^Not using the relay HOST\/near\/cache in this run, SSH brings all: /)])
  expect(lines[0]).toMatch(line)
  expect(lines[0]).not.toContain('hunter2')
})

test('a relay that is down is not used in this run', async () => {
  const { relay, lines, registry } = await relayAt()
  await registry.close()
  expect((await installed(hostTransport(dashHost), relay)).bytes).toBeGreaterThan(400_000)
  expect(lines).toEqual([expect.stringMatching(/refuses connections/)])
})

test.each(['cache', 'registry.example.com/cache:1', 'https://registry.example.com/cache', 'oci:cache', ''])(
  '%j is no relay',
  (text) => {
    expect(() => parseRelay(text)).toThrow(/as a relay: expected host\[:port\]\/repository/)
  },
)
