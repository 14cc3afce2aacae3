import * as pulumi from '@pulumi/pulumi'
import type { Distribution } from './distribution.ts'
import { handlerOf, secretLeaves, stackName } from './resource.ts'

export interface ExtensionArgs {
  /** The distribution to add it to, on the same host. */
  readonly distribution: Distribution
  /** `registry/repository[:tag][@digest]` or `oci:DIR[:tag]`. A tag is resolved once and then stays pinned. */
  readonly image: pulumi.Input<string>
  /** Any new value resolves the tag again. */
  readonly repin?: pulumi.Input<string>
}

const outputs = ['digest', 'provides', 'reference', 'treeDigest']

/**
 * An extension in a distribution, from an OCI image. A changed image is an update in place, never a replacement.
 *
 * @example
 * new Extension('vector', { distribution: pg, image: 'ghcr.io/acme/pgvector:0.8.1' })
 */
export class Extension extends pulumi.CustomResource {
  /** The pinned image, `name@sha256:…`. */
  declare readonly image: pulumi.Output<string>
  declare readonly digest: pulumi.Output<string>
  /** What `CREATE EXTENSION` can create, with version and requirements. */
  declare readonly provides: pulumi.Output<Record<string, { version: string; requires: string[] }>>
  declare readonly treeDigest: pulumi.Output<string>

  constructor(name: string, args: ExtensionArgs, options?: pulumi.CustomResourceOptions) {
    const { distribution, image, repin } = args
    const props = {
      ...Object.fromEntries(outputs.map((key) => [key, undefined])),
      connection: secretLeaves(distribution.args.connection),
      root: distribution.args.root,
      instance: distribution.args.instance,
      name,
      image,
      repin,
      platform: distribution.platform,
      distributionDigest: distribution.digest,
      postgresMajor: distribution.postgresMajor,
      __stack: stackName(),
      __provider: handlerOf('extension'),
    }
    super(
      'pulumi-nodejs:dynamic/postgres-oci:Extension',
      name,
      props,
      pulumi.mergeOptions({ dependsOn: [distribution] }, options ?? {}),
    )
  }
}
