import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { watchCache } from '../support/cache-watch.ts'
import { startDockerRegistry } from '../support/docker-registry.ts'
import { type Fault, send, startRegistry, type TestRegistry } from '../support/fault-registry.ts'
import { Fleet, type FleetHost } from '../support/fleet.ts'
import { registryImages } from '../support/fleet-images.ts'
import { TestStack } from '../support/pulumi.ts'
import { whyNoRealHosts } from '../support/root-needs.ts'
import { checkObjects, completeState, stagingOf } from '../support/store.ts'

const why = whyNoRealHosts()
const up = ['up', '--yes', '--skip-preview', '--parallel', '64', '--continue-on-error']

describe.skipIf(why !== undefined)(`a fleet in one stack${why ? ` (skipped: ${why})` : ''}`, () => {
  let fleet: Fleet
  let registry: TestRegistry
  let stack: TestStack
  const generationOf = ({ store }: FleetHost) => completeState(store, 'pg')?.generation
  const declare = (extension: string) => stack.set('extension', `${registry.host}/team/image:${extension}`)

  beforeAll(async () => {
    fleet = await Fleet.start(6)
    const { tags, blobs } = await registryImages(join(fleet.folder, 'images'))
    registry = await startRegistry(tags, blobs)
    stack = new TestStack(program, { main: 'index.mjs' })
    await stack.init({
      root: fleet.root,
      image: `${registry.host}/team/image:pg18`,
      hosts: JSON.stringify(fleet.hosts.map((host) => ({ name: host.name, ...fleet.connectionTo(host) }))),
      'postgres-oci:registries': JSON.stringify({ [registry.host]: { insecure: true } }),
    })
    await declare('hstore')
  })

  afterAll(async () => {
    stack?.remove()
    await registry?.close()
    fleet?.remove()
  })

  test('every blob is downloaded once, and a host costs one connection, and two commands a change', async () => {
    const cache = watchCache(stack.env['PGOCI_CACHE'] as string)
    await stack.expect(0, ...up)
    // Of each image: config and layer proven, one layer unpacked, one tree; what is packed are its objects and its trees.
    expect(cache.made()).toEqual({ blobs: 6, unpacked: 2, flattened: 2, packs: 4 })
    cache.stop()
    const blobs = registry.requests.filter((line) => line.startsWith('GET') && line.includes('/blobs/'))
    expect(new Set(blobs).size).toBe(blobs.length)
    for (const host of fleet.hosts) {
      // An extension waits for its distribution, so these are two changes.
      expect(generationOf(host)).toBe(2)
      checkObjects(host.store)
      expect(stagingOf(host.store)).toEqual([])
      expect(fleet.counts(host).connections).toBe(1)
    }
    // Whose checks come first are asked, too, whether they have the images, because the cache has not.
    const commands = fleet.hosts.map((host) => fleet.counts(host).commands)
    expect(Math.min(...commands)).toBe(4)
    expect(commands.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(4 * commands.length + 2)
  })

  test('a dead host delays nobody: the others are done while it is still waited for', async () => {
    const [dead, ...alive] = fleet.hosts as [FleetHost, ...FleetHost[]]
    await declare('citext')
    fleet.set(dead, 'dead')
    const running = stack.start(...up)
    for (const { name } of alive) await running.said(`${name}-extension updated`)
    for (const host of alive) expect(generationOf(host)).toBe(3)
    expect(generationOf(dead)).toBe(2)

    // It is waited for longer than this test takes.
    fleet.set(dead, 'alive')
    expect((await running.result).code).toBe(0)
    expect(generationOf(dead)).toBe(3)
  })
})

describe.skipIf(why !== undefined)(`a fleet with a relay${why ? ` (skipped: ${why})` : ''}`, () => {
  let fleet: Fleet
  let images: TestRegistry
  let folder: string
  const closing: (() => unknown)[] = []

  beforeAll(async () => {
    fleet = await Fleet.start(2)
    folder = join(fleet.folder, 'images')
    const { tags, blobs } = await registryImages(folder)
    images = await startRegistry(tags, blobs)
  })

  afterAll(async () => {
    for (const close of closing) await close()
    await images?.close()
    fleet?.remove()
  })

  /** A first `up` of a stack of its own, on hosts that have nothing. */
  async function installed(relay: string) {
    for (const { store } of fleet.hosts)
      for (const name of readdirSync(store)) rmSync(join(store, name), { recursive: true })
    const stack = new TestStack(program, { main: 'index.mjs' })
    closing.push(() => stack.remove())
    await stack.init({
      root: fleet.root,
      image: `${images.host}/team/image:pg18`,
      relay: `${relay}/near/cache`,
      hosts: JSON.stringify(fleet.hosts.map((host) => ({ name: host.name, ...fleet.connectionTo(host) }))),
      'postgres-oci:registries': JSON.stringify(
        Object.fromEntries([images.host, relay].map((host) => [host, { insecure: true }])),
      ),
    })
    const before = fleet.uplinkTraffic().sent
    const output = await stack.expect(0, ...up)
    for (const host of fleet.hosts) {
      expect(completeState(host.store, 'pg')?.generation).toBe(1)
      checkObjects(host.store)
      expect(stagingOf(host.store)).toEqual([])
    }
    return { output, sent: fleet.uplinkTraffic().sent - before }
  }

  test('carries the bytes: they leave the controller once, whatever the number of hosts', async () => {
    const near = await fleet.addMachine('registry')
    const relay = await startDockerRegistry(near.store, { machine: near })
    closing.push(() => relay.close())
    const before = fleet.traffic(near).sent
    const { sent, output } = await installed(relay.host)
    const relayed = fleet.traffic(near).sent - before
    expect(output).not.toContain('relay')
    expect(relayed).toBeGreaterThan(30_000_000)
    expect(sent).toBeLessThan(0.6 * relayed)
  })

  const lies: Fault = send(Buffer.alloc(100_000))
  const cuts: Fault = (answer) =>
    void answer.writeHead(200, { 'content-length': 9_000_000 }).write('x', () => answer.destroy())
  test.each([
    ['that is dead', undefined, /Not using the relay .* in this run, SSH brings all/],
    ['that lies and cuts', [lies, cuts], /could not use the relay .*: what it has is sent over SSH/],
  ] as const)('%s is replaced by SSH, and the log says so', async (_, faults, line) => {
    const relay = await startRegistry({}, [], { at: fleet.address })
    if (faults) {
      closing.push(() => relay.close())
      relay.fault(/^GET .*blobs/, ...faults)
    } else await relay.close()
    const { output, sent } = await installed(relay.host)
    expect(output).toMatch(line)
    expect(sent).toBeGreaterThan(30_000_000)
  })
})

const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const config = new pulumi.Config()
for (const { name, ...connection } of config.requireObject('hosts')) {
  const distribution = new Distribution(name, {
    connection: { ...connection, dialErrorLimit: 1, perDialTimeout: 600 },
    root: config.require('root'),
    instance: 'pg',
    image: config.require('image'),
    platform: process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64',
    relay: config.get('relay'),
  })
  const image = config.get('extension')
  if (image) new Extension(name + '-extension', { distribution, image })
}
`
