import { readFileSync } from 'node:fs'
import { DebianHost } from './debian-host.ts'
import { debianImages } from './debian-images.ts'
import { type RealRegistry, startDockerRegistry } from './docker-registry.ts'
import { PsqlSession } from './psql.ts'
import { TestStack } from './pulumi.ts'

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
  private readonly registry: RealRegistry

  /** @param options.cache `new`: all is downloaded and read; `kept`: what another run has read is known */
  static async start(options: { cache: 'new' | 'kept' }): Promise<DebianStack> {
    const images = await debianImages()
    const registry = await startDockerRegistry(images)
    const host = await DebianHost.start()
    const stack = new TestStack(readFileSync('examples/rootfs/index.ts', 'utf8'), {
      env: options.cache === 'kept' ? { PGOCI_CACHE: `${images}/controller` } : {},
    })
    await stack.init({
      host: host.address,
      user: 'deploy',
      sudo: 'true',
      privateKey: { secret: host.privateKey },
      hostKey: host.hostKey,
      distribution: `${registry.host}/debian/postgres:15`,
      'postgres-oci:registries': JSON.stringify({ [registry.host]: { insecure: true } }),
    })
    return new DebianStack(host, stack, registry)
  }

  private constructor(host: DebianHost, stack: TestStack, registry: RealRegistry) {
    this.host = host
    this.stack = stack
    this.registry = registry
  }

  declareDistribution(name: string): Promise<void> {
    return this.stack.set('distribution', `${this.registry.host}/debian/${name}:15`)
  }

  declare(...extensions: string[]): Promise<void> {
    const images = extensions.map((name) => [name, `${this.registry.host}/debian/${name}:15`])
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

  async remove(): Promise<void> {
    this.stack.remove()
    this.host.remove()
    await this.registry.close()
  }
}
