import * as pulumi from '@pulumi/pulumi'
import { handlerOf, resourceTypes } from '../engine/resource.ts'
import { type ConnectionArgs, secretLeaves } from './connection.ts'
import { stackName } from './resource.ts'

/** A Postgres that packages have put on a host, from apt or dnf: docs/installed.md. */
export interface InstalledArgs {
  /** Its major version. @default any */
  readonly major?: number | undefined
  /** One of its clusters: `15/main` as pg_lsclusters has it, else its data folder. @default the only one there is */
  readonly cluster?: string | undefined
  /** Path of its pg_config, where that is none of the usual ones, as in `/opt/pg/bin/pg_config`. */
  readonly pgConfig?: string | undefined
}

export interface DistributionArgs {
  /** How to reach the host. A change of it alone touches nothing there; another host replaces the resource. */
  readonly connection: pulumi.Input<ConnectionArgs>
  /**
   * Either this or `installed`: `registry/repository[:tag][@digest]`; or, by a path from the program's folder, `oci:DIR[:tag]` for an OCI image
   * layout, `oci-archive:FILE[:tag]` for a tar of one, `docker-archive:FILE[:tag]` for what `docker save` writes. Tags
   * of those three may be whole references.
   * A tag is resolved once, by the `up` that first installs it, and stays pinned until this text or `repin` changes.
   */
  readonly image?: pulumi.Input<string> | undefined
  /**
   * In place of an image: the Postgres that apt or dnf has put on the host, which is extended and else left alone. It is
   * read by each preview, so the host must answer the first one. See docs/installed.md.
   */
  readonly installed?: InstalledArgs | undefined
  /** Name of the installation on the host; another one replaces the resource. @default the resource's name */
  readonly instance?: string | undefined
  /** Folder of the store on the host; another one replaces the resource. @default /var/lib/pgoci */
  readonly root?: string | undefined
  /** The host's platform, as in `linux/arm64`. Given, a first preview needs no host. @default asked from the host */
  readonly platform?: string | undefined
  /**
   * `host[:port]/repository` of a registry near the host, to carry large contents to it in place of this machine: they
   * are put there once, with the login that this machine has for it, and hosts fetch them with curl or wget, without a
   * login. The host proves every byte; what a relay cannot bring comes over SSH. See docs/fleet.md. @default none
   */
  readonly relay?: string | undefined
  /**
   * Says that a change of what sorts text is known, as in `glibc 2.36 → glibc 2.41`: an update that changes it is refused
   * until this names it, because indexes on text must be rebuilt after it (docs/marriage.md). @default none
   */
  readonly acknowledgeCollationChange?: pulumi.Input<string> | undefined
  /** Any new value resolves the tag again. */
  readonly repin?: pulumi.Input<string> | undefined
}

/** Seeded as unknown, so that a program can use them; check adds the first of them, and a preview shows those. */
const outputs = [
  ...['digest', 'reference', 'platform', 'postgresVersion', 'postgresMajor', 'os'],
  ...['mode', 'layout', 'serverDirectory', '__contrib', 'libc', 'icu', 'impact', 'changes', '__facts'],
  ...['binDirectory', 'libraryPath', 'treeDigest', 'systemdUnit', 'runScript'],
]

/**
 * A Postgres distribution on a host: the server and all that it was built with, from an OCI image. Nothing is started,
 * stopped or restarted, and no data is touched: the files are there, complete and proven, for whoever runs Postgres.
 *
 * An image that has its own libc is of mode `rootfs` and runs as a root of its own (docs/rootfs.md); one that holds
 * only a Postgres prefix is `relocatable` and runs from where it lies.
 *
 * @example
 * ```ts
 * const pg = new Distribution('pg17', {
 *   connection: { host: 'db1.example.com', user: 'deploy', sudo: true, hostKey: 'ssh-ed25519 AAAA…' },
 *   image: 'docker.io/library/postgres:17-bookworm',
 * })
 * export const start = pg.systemdUnit
 * ```
 */
export class Distribution extends pulumi.CustomResource {
  /** The pinned image, `name@sha256:…`. */
  declare readonly image: pulumi.Output<string>
  /** Digest that the reference was resolved to: of an index, or of a manifest. */
  declare readonly digest: pulumi.Output<string>
  /** The image as the program wrote it. */
  declare readonly reference: pulumi.Output<string>
  /** As in `linux/amd64`. */
  declare readonly platform: pulumi.Output<string>
  /** As in `17.6`. */
  declare readonly postgresVersion: pulumi.Output<string>
  declare readonly postgresMajor: pulumi.Output<number>
  /** The operating system in the image, as in `bookworm`, `alpine3.20` or `rocky9`; `none` for a relocatable one. */
  declare readonly os: pulumi.Output<string>
  declare readonly mode: pulumi.Output<'relocatable' | 'rootfs' | 'installed'>
  /** The libc that it brings or finds on its host, as in `glibc 2.36`; `relocatable` has none. */
  declare readonly libc: pulumi.Output<string | undefined>
  /** Version of ICU that it brings, as in `72.1`. */
  declare readonly icu: pulumi.Output<string | undefined>
  /** @internal What the proof of extensions needs of it. */
  declare readonly __facts: pulumi.Output<string | undefined>
  /** Folder of `postgres` and `initdb` on the host; follows every switch. For `rootfs` see {@link runScript}. */
  declare readonly binDirectory: pulumi.Output<string>
  /** LD_LIBRARY_PATH for a server that should find shared libraries which extensions bring. */
  declare readonly libraryPath: pulumi.Output<string>
  /**
   * What the change that led here was for a running database: `live`, `reload`, `restart` or `blocked`, then a colon and
   * why (docs/review.md).
   */
  declare readonly impact: pulumi.Output<string | undefined>
  /** What that change changed, a line each: files, versions, libraries, bytes on the wire. */
  declare readonly changes: pulumi.Output<Record<string, string> | undefined>
  /** Digest of the files that this image brings, as they lie on the host. */
  declare readonly treeDigest: pulumi.Output<string>
  /** For `rootfs`: path on the host of a ready unit, for `systemctl enable --now`. */
  declare readonly systemdUnit: pulumi.Output<string | undefined>
  /** For `rootfs`: path on the host of a script that runs the image's programs: `sh RUN initdb`, `sh RUN psql`. */
  declare readonly runScript: pulumi.Output<string | undefined>
  /** @internal Extensions that it has itself, with their versions. */
  declare readonly __contrib: pulumi.Output<Record<string, string>>
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
    super(resourceTypes.distribution, name, props, options)
    this.args = { ...args, instance }
  }
}
