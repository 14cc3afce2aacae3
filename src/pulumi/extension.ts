import * as pulumi from '@pulumi/pulumi'
import { handlerOf, resourceTypes } from '../engine/resource.ts'
import { secretLeaves } from './connection.ts'
import type { Distribution } from './distribution.ts'
import { stackName } from './resource.ts'

export interface ExtensionArgs {
  /** The distribution to add it to, on the same host. */
  readonly distribution: Distribution
  /**
   * `registry/repository[:tag][@digest]`; or, by a path from the program's folder, `oci:DIR[:tag]` for an OCI image
   * layout, `oci-archive:FILE[:tag]` for a tar of one, `docker-archive:FILE[:tag]` for what `docker save` writes. Tags
   * of those three may be whole references.
   * A tag is resolved once, by the `up` that first installs it, and stays pinned until this text or `repin` changes.
   */
  readonly image: pulumi.Input<string>
  /** Any new value resolves the tag again. */
  readonly repin?: pulumi.Input<string> | undefined
}

const outputs = ['digest', 'reference', 'provides', 'treeDigest']

/**
 * An extension in a distribution, from an OCI image. A running server sees it at once, in open sessions too; whether
 * and where to `CREATE EXTENSION` stays the database owner's choice. A changed image is an update in place.
 *
 * @example
 * ```ts
 * const connection = { host: 'db1.example.com', hostKey: 'ssh-ed25519 AAAA…' }
 * const pg = new Distribution('pg17', { connection, image: 'docker.io/library/postgres:17-bookworm' })
 * const vector = new Extension('vector', { distribution: pg, image: 'ghcr.io/acme/pgvector:0.8.1' })
 * export const provides = vector.provides
 * ```
 */
export class Extension extends pulumi.CustomResource {
  /** The pinned image, `name@sha256:…`. */
  declare readonly image: pulumi.Output<string>
  /** Digest that the reference was resolved to: of an index, or of a manifest. */
  declare readonly digest: pulumi.Output<string>
  /** The image as the program wrote it. */
  declare readonly reference: pulumi.Output<string>
  /** What `CREATE EXTENSION` can create, with version and requirements. */
  declare readonly provides: pulumi.Output<Record<string, { version: string; requires: string[] }>>
  /** Digest of the files that this image brings, as they lie on the host. */
  declare readonly treeDigest: pulumi.Output<string>

  constructor(name: string, args: ExtensionArgs, options?: pulumi.CustomResourceOptions) {
    const { distribution, image, repin } = args
    const props = {
      ...Object.fromEntries(outputs.map((key) => [key, undefined])),
      connection: secretLeaves(distribution.args.connection),
      root: distribution.args.root,
      instance: distribution.args.instance,
      relay: distribution.args.relay,
      name,
      image,
      repin,
      platform: distribution.platform,
      distributionDigest: distribution.digest,
      postgresMajor: distribution.postgresMajor,
      __stack: stackName(),
      __provider: handlerOf('extension'),
    }
    const depends = pulumi.mergeOptions({ dependsOn: [distribution] }, options ?? {})
    super(resourceTypes.extension, name, props, depends)
  }
}
