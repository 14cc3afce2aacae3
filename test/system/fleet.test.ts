import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRegistry, type TestRegistry } from '../support/fault-registry.ts'
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
    await stack.expect(0, ...up)
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

  test('a dead host delays nobody: the others are done before anybody gives it up', async () => {
    const [dead, ...alive] = fleet.hosts as [FleetHost, ...FleetHost[]]
    await declare('citext')
    fleet.set(dead, 'dead')
    const { code, output } = await stack.run(...up)
    expect(code).not.toBe(0)
    for (const host of alive) expect(generationOf(host)).toBe(3)
    const lost = output.indexOf(`Cannot reach root@${dead.address}: no answer on port 22`)
    expect(lost).toBeGreaterThan(0)
    for (const { name } of alive) expect(output.slice(0, lost)).toContain(`${name}-extension updated`)

    fleet.set(dead, 'alive')
    await stack.expect(0, ...up)
    expect(generationOf(dead)).toBe(3)
  })
})

const program = `import * as pulumi from '@pulumi/pulumi'
import { Distribution, Extension } from 'pulumi-postgres-oci'
const config = new pulumi.Config()
for (const { name, ...connection } of config.requireObject('hosts')) {
  const distribution = new Distribution(name, {
    connection: { ...connection, dialErrorLimit: 1 },
    root: config.require('root'),
    instance: 'pg',
    image: config.require('image'),
    platform: process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64',
  })
  new Extension(name + '-extension', { distribution, image: config.require('extension') })
}
`
