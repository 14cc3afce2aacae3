import { readFileSync } from 'node:fs'
import { DebianHost } from './debian-host.ts'
import { debianImages } from './debian-images.ts'
import { PsqlSession } from './psql.ts'
import { TestStack } from './pulumi.ts'
import { startRegistry, type TestRegistry } from './registry.ts'

const home = '/var/lib/pgoci/instances/orders'

/** What docs/rootfs.md tells people to type, once, after the first `pulumi up`. */
const documented = [
  'useradd --system --user-group --home-dir /var/lib/postgresql --create-home postgres',
  `sh ${home}/current/run initdb --auth-local=peer --auth-host=scram-sha-256 --data-checksums --no-instructions`,
  `systemctl enable --now ${home}/current/pgoci-orders.service`,
]

/** The stack of examples/rootfs for a real Debian host, with images of Debian packages in a real registry. */
export class DebianStack {
  readonly host: DebianHost
  readonly stack: TestStack
  private readonly registry: TestRegistry

  static async start(): Promise<DebianStack> {
    const registry = await startRegistry(`${await debianImages()}/registry`)
    const host = await DebianHost.start()
    const stack = new TestStack(readFileSync('examples/rootfs/index.ts', 'utf8'))
    await stack.init({
      host: host.address,
      user: 'deploy',
      sudo: 'true',
      privateKey: { secret: host.privateKey },
      hostKey: host.hostKey,
      distribution: `${registry.address}/debian/postgres:15`,
      'postgres-oci:registries': JSON.stringify({ [registry.address]: { insecure: true } }),
    })
    return new DebianStack(host, stack, registry)
  }

  private constructor(host: DebianHost, stack: TestStack, registry: TestRegistry) {
    this.host = host
    this.stack = stack
    this.registry = registry
  }

  declare(...extensions: string[]): Promise<void> {
    const images = extensions.map((name) => [name, `${this.registry.address}/debian/${name}:15`])
    return this.stack.set('extensions', JSON.stringify(Object.fromEntries(images)))
  }

  up(): Promise<string> {
    return this.stack.expect(0, 'up', '--yes', '--skip-preview')
  }

  /** Initialises the cluster and starts the server. */
  async serve(): Promise<void> {
    for (const line of documented) await this.host.run(line)
  }

  session(): PsqlSession {
    return new PsqlSession(this.host, `sh ${home}/current/run`)
  }

  /** The rows of one statement, or what Postgres says against it. */
  async query(statement: string): Promise<string> {
    const session = this.session()
    try {
      return await session.query(statement)
    } finally {
      session.close()
    }
  }

  remove(): void {
    this.registry.stop()
    this.stack.remove()
    this.host.remove()
  }
}
