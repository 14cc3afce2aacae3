import * as pulumi from '@pulumi/pulumi'
import type { Connection } from '../host/connection.ts'
import { handlerOf, secretLeaves, stackName } from './resource.ts'

export type ConnectionArgs = { readonly [K in keyof Connection]: pulumi.Input<NonNullable<Connection[K]>> | undefined }

export interface DistributionArgs {
  /** How to reach the host. Only `password`, `privateKey` and `privateKeyPassword` are secret in state. */
  readonly connection: ConnectionArgs
  /** `registry/repository[:tag][@digest]` or `oci:DIR[:tag]`. A tag is resolved once and then stays pinned. */
  readonly image: pulumi.Input<string>
  /** Name of the installation on the host. @default the resource's name */
  readonly instance?: string | undefined
  /** Folder of the store on the host. @default /var/lib/pgoci */
  readonly root?: string | undefined
  /** The host's platform, as `linux/amd64`. @default asked from the host once */
  readonly platform?: string | undefined
  /** Any new value resolves the tag again. */
  readonly repin?: pulumi.Input<string>
}

/** Values that check adds, so that a preview shows them. */
const outputs = [
  'digest',
  'postgresVersion',
  'postgresMajor',
  'mode',
  'layout',
  'reference',
  'binDirectory',
  'libraryPath',
  'treeDigest',
  'systemdUnit',
  'runScript',
]

/**
 * A Postgres distribution on a host: the server and what it was built with, from an OCI image.
 *
 * @example
 * const pg = new Distribution('pg17', { connection: { host: 'db1.example.com', hostKey: 'ssh-ed25519 AAAA…' }, image: 'docker.io/library/postgres:17-bookworm' })
 */
export class Distribution extends pulumi.CustomResource {
  /** The pinned image, `name@sha256:…`. */
  declare readonly image: pulumi.Output<string>
  declare readonly digest: pulumi.Output<string>
  declare readonly platform: pulumi.Output<string>
  declare readonly postgresVersion: pulumi.Output<string>
  declare readonly postgresMajor: pulumi.Output<number>
  declare readonly mode: pulumi.Output<'relocatable' | 'rootfs'>
  /** Folder of `postgres` and `initdb` on the host; follows every switch. For `rootfs` run them in that root. */
  declare readonly binDirectory: pulumi.Output<string>
  /** LD_LIBRARY_PATH for a server that should find libraries which extensions bring. */
  declare readonly libraryPath: pulumi.Output<string>
  declare readonly treeDigest: pulumi.Output<string>
  /** For `rootfs`: path on the host of a ready unit, for `systemctl enable --now`; docs/rootfs.md. */
  declare readonly systemdUnit: pulumi.Output<string | undefined>
  /** For `rootfs`: path on the host of a script that runs the image's programs: `sh RUN initdb`, `sh RUN psql`. */
  declare readonly runScript: pulumi.Output<string | undefined>
  /** The arguments as given, for extensions: outputs would make the whole connection secret. */
  readonly args: DistributionArgs & { readonly instance: string }

  constructor(name: string, args: DistributionArgs, options?: pulumi.CustomResourceOptions) {
    const instance = args.instance ?? name
    const props = {
      ...Object.fromEntries(outputs.map((key) => [key, undefined])),
      ...args,
      instance,
      connection: secretLeaves(args.connection),
      __stack: stackName(),
      __provider: handlerOf('distribution'),
    }
    super('pulumi-nodejs:dynamic/postgres-oci:Distribution', name, props, options)
    this.args = { ...args, instance }
  }
}
