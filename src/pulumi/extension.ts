import * as pulumi from '@pulumi/pulumi'
import { handlerOf, resourceTypes } from '../engine/resource.ts'
import { secretLeaves } from './connection.ts'
import type { Distribution } from './distribution.ts'
import { stackName } from './resource.ts'

/** A file's path from the program's folder, or what is in it, in YAML's and JSON's plain data. */
export type DocumentArgs = string | { readonly [key: string]: unknown }

/**
 * Where names become images (docs/names.md):
 *
 * - a template of references, as in `registry.example.com/ext/{name}:{version}-pg{major}-{os}`, with any of `{name}`,
 *   `{version}`, `{major}`, `{minor}`, `{os}` and `{arch}`: the repository's tags say what there is;
 * - `catalog`: an ImageCatalog or ClusterImageCatalog of CloudNativePG;
 * - `index`: the index of a StackGres extensions repository, with a template for `image`, which it does not say.
 */
export type RepositoryArgs =
  | pulumi.Input<string>
  | { readonly catalog: DocumentArgs }
  | { readonly index: DocumentArgs; readonly image: pulumi.Input<string> }

export interface ExtensionArgs {
  /** The distribution to add it to, on the same host. */
  readonly distribution: Distribution
  /**
   * Either this, or `name` and `repository`:
   * `registry/repository[:tag][@digest]`; or, by a path from the program's folder, `oci:DIR[:tag]` for an OCI image
   * layout, `oci-archive:FILE[:tag]` for a tar of one, `docker-archive:FILE[:tag]` for what `docker save` writes. Tags
   * of those three may be whole references.
   * A tag is resolved once, by the `up` that first installs it, and stays pinned until this text or `repin` changes.
   */
  readonly image?: pulumi.Input<string> | undefined
  /**
   * What its repository calls it. The image that this means for the distribution (its major version, system and
   * platform) is found once, by the `up` that first installs it, and stays pinned until the request, what the
   * distribution is, or `repin` changes. See docs/names.md.
   */
  readonly name?: pulumi.Input<string> | undefined
  /**
   * Of what `name` means: the whole of it, as in `2.13.0`, or how it begins: `2.13` is the highest 2.13.x.
   * @default the highest that fits the distribution
   */
  readonly version?: pulumi.Input<string> | undefined
  /** Whether the highest may be one that comes before a release, as in `1.0beta2`. @default false */
  readonly prerelease?: pulumi.Input<boolean> | undefined
  /** Where `name` becomes an image. */
  readonly repository?: RepositoryArgs | undefined
  /** Any new value resolves the tag or the name again. */
  readonly repin?: pulumi.Input<string> | undefined
  /**
   * Errors of the proof that are taken on, by their ids, one by one, as in `soname-clash:libgeos_c.so.1`. They stay visible
   * among the findings. @default none
   */
  readonly overrides?: readonly string[] | undefined
  /**
   * Which files of the image belong to the extension, by globs of their paths: `*` and `?` stay within a folder, `**`
   * does not; 100 at most. For an image that is more than the extension: a whole Postgres, or several extensions.
   * @default all of it; of an image that was built on the distribution's, what it adds to that
   * @example ['usr/lib/postgresql/17/lib/postgis*', 'usr/share/postgresql/17/extension/postgis*', '**\/libgeos*.so*']
   */
  readonly include?: readonly string[] | undefined
}

const outputs = [
  ...['digest', 'reference', 'version', 'newer', 'provides', 'baseLayers'],
  ...['findings', 'impact', 'changes', 'treeDigest'],
]

/**
 * An extension in a distribution, from an OCI image. A running server sees it at once, in open sessions too; whether
 * and where to `CREATE EXTENSION` stays the database owner's choice. A changed image is an update in place.
 *
 * @example
 * ```ts
 * const connection = { host: 'db1.example.com', hostKey: 'ssh-ed25519 AAAA…' }
 * const pg = new Distribution('pg17', { connection, image: 'docker.io/library/postgres:17-bookworm' })
 * const vector = new Extension('vector', { distribution: pg, image: 'ghcr.io/acme/pgvector:0.8.1' })
 * const repository = 'registry.example.com/ext/{name}:{version}-pg{major}-{os}'
 * new Extension('postgis', { distribution: pg, name: 'postgis', repository })
 * new Extension('timescaledb', { distribution: pg, name: 'timescaledb', version: '2.13.0', repository })
 * export const provides = vector.provides
 * ```
 */
export class Extension extends pulumi.CustomResource {
  /** The pinned image, `name@sha256:…`. */
  declare readonly image: pulumi.Output<string>
  /** Digest that the reference was resolved to: of an index, or of a manifest. */
  declare readonly digest: pulumi.Output<string>
  /** The image as the program wrote it, or what its name means. */
  declare readonly reference: pulumi.Output<string>
  /** Of an image that was asked for by name: the repository's word for it. */
  declare readonly version: pulumi.Output<string | undefined>
  /** Of such an image: the versions above it that do not fit, with why. */
  declare readonly newer: pulumi.Output<string[] | undefined>
  /** What `CREATE EXTENSION` can create, with version and requirements. */
  declare readonly provides: pulumi.Output<Record<string, { version: string; requires: string[] }>>
  /** Of an image that was built on its distribution's: how many of its layers are that one's, and left out. */
  declare readonly baseLayers: pulumi.Output<number | undefined>
  /** What the proof found against it and did not refuse: warnings, notes, accepted errors (docs/marriage.md). */
  declare readonly findings: pulumi.Output<string[] | undefined>
  /**
   * What the change that led here was for a running database: `live`, `reload`, `restart` or `blocked`, then a colon and
   * why (docs/review.md).
   */
  declare readonly impact: pulumi.Output<string | undefined>
  /** What that change changed, a line each: files, versions, libraries, bytes on the wire. */
  declare readonly changes: pulumi.Output<Record<string, string> | undefined>
  /** Digest of the files that this image brings, as they lie on the host. */
  declare readonly treeDigest: pulumi.Output<string>

  constructor(name: string, args: ExtensionArgs, options?: pulumi.CustomResourceOptions) {
    const { distribution, image, name: requested, version, prerelease, repository, repin, overrides, include } = args
    const props = {
      ...Object.fromEntries(outputs.map((key) => [key, undefined])),
      connection: secretLeaves(distribution.args.connection),
      root: distribution.args.root,
      instance: distribution.args.instance,
      relay: distribution.args.relay,
      name,
      image,
      ...(requested === undefined
        ? {}
        : {
            requested: { name: requested, version, prerelease },
            postgresVersion: distribution.postgresVersion,
            os: distribution.os,
          }),
      repository,
      repin,
      overrides,
      include,
      platform: distribution.platform,
      distributionDigest: distribution.digest,
      postgresMajor: distribution.postgresMajor,
      __facts: distribution.__facts,
      __stack: stackName(),
      __provider: handlerOf('extension'),
    }
    const depends = pulumi.mergeOptions({ dependsOn: [distribution] }, options ?? {})
    super(resourceTypes.extension, name, props, depends)
  }
}
