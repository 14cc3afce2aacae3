import * as pulumi from '@pulumi/pulumi'
import { parseSet, readSet } from '../engine/extension-set.ts'
import { serverType } from '../engine/resource.ts'
import { messageOf } from '../model/error.ts'
import { contribNames } from '../postgres/contrib.ts'
import { preloadLibraries } from '../postgres/preload.ts'
import { missingRequires, nextMissing } from '../postgres/requires.ts'
import { Distribution, type DistributionArgs } from './distribution.ts'
import { Extension, type RepositoryArgs } from './extension.ts'

/** One extension of a {@link Server}. */
export interface ServerExtension {
  /** What its repository calls it, or, with `image`, what you call it. */
  readonly name: string
  /** The whole version, or how it begins. @default the highest that fits */
  readonly version?: string | undefined
  /** @default false */
  readonly prerelease?: boolean | undefined
  /** Its image, for one that no repository has. */
  readonly image?: string | undefined
  /** @default the server's */
  readonly repository?: RepositoryArgs | undefined
  /** Errors of the proof that are taken on: see {@link ExtensionArgs.overrides}. @default none */
  readonly overrides?: readonly string[] | undefined
  /** Which files of the image belong to it: see {@link ExtensionArgs.include}. @default all */
  readonly include?: readonly string[] | undefined
}

export interface ServerArgs extends DistributionArgs {
  /** Where the names of extensions become images: see {@link ExtensionArgs.repository}. */
  readonly repository?: RepositoryArgs | undefined
  /** What there is to be, each name once. @default none */
  readonly extensions?: readonly ServerExtension[] | undefined
}

/**
 * A Postgres with its extensions, by their names: one {@link Distribution}, and one {@link Extension} each.
 *
 * What an extension requires and nobody has comes along from the repository: declared ones come first, then what the
 * distribution has itself. An extension of Postgres's own (`pg_stat_statements`) is looked for in the distribution, and
 * in the repository only where that lacks it.
 *
 * @example
 * ```ts
 * const server = new Server('orders', {
 *   connection: { host: 'db1.example.com', user: 'deploy', sudo: true, hostKey: 'ssh-ed25519 AAAA…' },
 *   image: 'docker.io/library/postgres:17-bookworm',
 *   repository: 'registry.example.com/ext/{name}:{version}-pg{major}-{os}',
 *   extensions: [{ name: 'postgis' }, { name: 'timescaledb', version: '2.13.0' }],
 * })
 * export const preload = server.sharedPreloadLibraries
 * ```
 */
export class Server extends pulumi.ComponentResource {
  readonly distribution: Distribution
  /** By name; those that come along are not among them. */
  readonly extensions: Readonly<Record<string, Extension>>
  /** What these extensions need in shared_preload_libraries, in its order. Setting it, and the restart, stay yours. */
  readonly preloadLibraries: pulumi.Output<string[]>
  /** The same as the setting's value, `timescaledb,pg_cron`; empty for none. */
  readonly sharedPreloadLibraries: pulumi.Output<string>

  constructor(name: string, args: ServerArgs, options?: pulumi.ComponentResourceOptions) {
    super(serverType, name, {}, options)
    const { repository, extensions = [], ...distribution } = args
    const declared = checked(name, extensions)
    this.distribution = new Distribution(name, { ...distribution, instance: args.instance ?? name }, { parent: this })
    const add = ({
      name: own,
      image,
      version,
      prerelease,
      overrides,
      include,
      ...entry
    }: ServerExtension): Extension => {
      const source =
        image === undefined ? { name: own, version, prerelease, repository: entry.repository ?? repository } : { image }
      const shared = { distribution: this.distribution, repin: args.repin, overrides, include }
      return new Extension(`${name}-${own}`, { ...shared, ...source }, { parent: this })
    }
    const isOwn = (entry: ServerExtension) => contribNames.has(entry.name) && !entry.image && !entry.repository
    this.extensions = Object.fromEntries(
      declared.filter((entry) => !isOwn(entry)).map((entry) => [entry.name, add(entry)]),
    )
    const own = declared.filter(isOwn)

    const asked = new Set(declared.map((entry) => entry.name))
    const close = (there: readonly Extension[], contrib: Record<string, string>): pulumi.Output<string[]> =>
      pulumi.all(there.map((one) => one.provides)).apply((known) => {
        const provides = known.map((one) => one ?? {})
        const missing = told(() => nextMissing(missingRequires(provides, contrib), asked))
        for (const one of missing) asked.add(one.name)
        if (missing.length > 0) return close([...there, ...missing.map(({ name: one }) => add({ name: one }))], contrib)
        return pulumi.output(provides.flatMap((one) => Object.keys(one)))
      })
    const provided = this.distribution.__contrib.apply((known) => {
      const contrib = known ?? {}
      const lacking = own.filter((entry) => !(entry.name in contrib))
      return close([...Object.values(this.extensions), ...lacking.map(add)], contrib)
    })
    this.preloadLibraries = provided.apply((names) => preloadLibraries([...declared.map((one) => one.name), ...names]))
    this.sharedPreloadLibraries = this.preloadLibraries.apply((libraries) => libraries.join(','))
    const { preloadLibraries: list, sharedPreloadLibraries } = this
    this.registerOutputs({ preloadLibraries: list, sharedPreloadLibraries })
  }
}

/**
 * Reads extensions from YAML or JSON, in the shape that StackGres has them: a list, a map with `extensions`, or a whole
 * SGCluster. Versions may be written with quotes or without.
 *
 * @example
 * ```ts
 * const extensions = extensionsFromYaml(`
 * extensions:
 * - name: postgis
 * - name: timescaledb
 *   version: "2.13.0"
 * `)
 * ```
 */
export function extensionsFromYaml(text: string): ServerExtension[] {
  return told(() => readSet(text, 'this YAML').extensions)
}

function checked(name: string, extensions: readonly ServerExtension[]): readonly ServerExtension[] {
  told(() => parseSet(extensions, `the extensions of ${name}`))
  return extensions
}

/** A mistake in a program is told without the stack that led to it. */
function told<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new pulumi.RunError(messageOf(error))
  }
}
