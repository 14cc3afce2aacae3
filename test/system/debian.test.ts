import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DebianHost } from '../support/debian-host.ts'
import { debianImages } from '../support/debian-images.ts'
import { PsqlSession } from '../support/psql.ts'
import { TestStack } from '../support/pulumi.ts'
import { startRegistry, type TestRegistry } from '../support/registry.ts'
import { whyNoRealHosts } from '../support/root-needs.ts'

const why = whyNoRealHosts()
const instance = '/var/lib/pgoci/instances/orders'

// One life of one host; the tests are its chapters, in order.
describe.skipIf(why !== undefined)(`a real Debian host${why ? ` (skipped: ${why})` : ''}`, () => {
  let host: DebianHost
  let registry: TestRegistry
  let stack: TestStack

  const declare = (...extensions: string[]) =>
    stack.set(
      'extensions',
      JSON.stringify(Object.fromEntries(extensions.map((name) => [name, `${registry.address}/debian/${name}:15`]))),
    )
  const up = () => stack.expect(0, 'up', '--yes', '--skip-preview')
  const query = async (statement: string) => {
    const session = new PsqlSession(host)
    try {
      return await session.query(statement)
    } finally {
      session.close()
    }
  }

  beforeAll(async () => {
    registry = await startRegistry(`${await debianImages()}/registry`)
    host = await DebianHost.start()
    stack = new TestStack(readFileSync('examples/rootfs/index.ts', 'utf8'))
    await stack.init({
      host: host.address,
      user: 'deploy',
      sudo: 'true',
      privateKey: { secret: host.privateKey },
      hostKey: host.hostKey,
      distribution: `${registry.address}/debian/postgres:15`,
      'postgres-oci:registries': JSON.stringify({ [registry.address]: { insecure: true } }),
    })
  }, 600_000)

  afterAll(() => {
    registry?.stop()
    stack?.remove()
    host?.remove()
  })

  test('up installs Debian with Postgres 15 and an extension; the documented commands start it', async () => {
    await declare('ip4r')
    await up()
    // docs/rootfs.md
    await host.run('useradd --system --user-group --home-dir /var/lib/postgresql --create-home postgres')
    await host.run(`sh ${instance}/current/run initdb --data-checksums`)
    await host.run(`systemctl enable --now ${instance}/current/pgoci-orders.service`)
    await query('CREATE EXTENSION ip4r')
    expect(await query("SELECT ip4r '10.0.0.0/8' >>= ip4r '10.1.2.3'")).toBe('t')
  })
})
