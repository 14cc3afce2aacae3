import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'

/** Which Postgres of a host is meant, where there may be several. */
export interface Asked {
  readonly major?: number | undefined
  readonly cluster?: string | undefined
}

interface Server {
  readonly bin: string
  readonly version: string
  readonly settings: readonly string[]
}

interface Cluster {
  readonly name: string
  readonly status: string
  readonly bin: string
}

/**
 * The one cluster that is meant.
 *
 * @param host for messages
 * @throws ProviderError NOT_FOUND for none, BAD_INPUT for several; both list what there is
 */
export function chooseCluster<S extends Server, C extends Cluster>(
  seen: { readonly servers: readonly S[]; readonly clusters: readonly C[] },
  asked: Asked,
  host: string,
): { readonly server: S; readonly cluster: C } {
  const all = seen.clusters.flatMap((cluster) => {
    const server = seen.servers.find(({ bin }) => bin === cluster.bin)
    return server ? [{ server, cluster }] : []
  })
  const found = all.filter(
    ({ server, cluster }) =>
      (asked.major === undefined || majorOf(server) === asked.major) &&
      (asked.cluster === undefined || cluster.name === asked.cluster),
  )
  const [only, ...more] = found
  if (only !== undefined && more.length === 0) return only
  const listed = (some: typeof all) =>
    some.map(({ cluster: { name, status } }) => `${printable(name)} (${printable(status)})`).join(', ')
  if (only !== undefined)
    throw new ProviderError(
      'BAD_INPUT',
      `Cannot tell which cluster of ${host} is meant: there are ${listed(found)}; name one, as in installed: { cluster: ${quote(only.cluster.name)} }`,
    )
  const what = asked.cluster
    ? `the cluster ${quote(asked.cluster)}${asked.major ? ` of Postgres ${asked.major}` : ''}`
    : `a cluster of Postgres${asked.major ? ` ${asked.major}` : ''}`
  const versions = seen.servers.map(({ version }) => printable(version)).join(', ')
  const there =
    all.length > 0
      ? `there are ${listed(all)}; name one of them, or make that one first`
      : seen.servers.length > 0
        ? `there is ${versions}, but no cluster of it: none runs, and pg_lsclusters lists none; make one, or start it`
        : 'no package has put a Postgres there; install it with apt or dnf, or name its pg_config in installed: { pgConfig }'
  throw new ProviderError('NOT_FOUND', `Cannot find ${what} on ${host}: ${there}`)
}

function majorOf({ version }: Pick<Server, 'version'>): number | undefined {
  const [, major] = /\(PostgreSQL\) (\d{1,3})/.exec(version) ?? []
  return major === undefined ? undefined : Number(major)
}

/**
 * What must be set for good, so that a server looks into `live` first: two paths since 18, and before that the setting of
 * a patch that Debian's and PGDG's apt packages have (B-field §2). All take effect by a reload.
 *
 * @param live absolute path of the link that leads to `lib` and `share`, and to both by their paths on the host
 * @throws ProviderError NOT_POSTGRES for a server that looks nowhere else
 */
export function settingsFor(server: Server, live: string): (readonly [name: string, value: string])[] {
  // Of modules that are named without their folder, as those to preload are, the patch knows nothing.
  const libraries = ['dynamic_library_path', `${live}/lib:$libdir`] as const
  if (server.settings.includes('extension_control_path'))
    return [['extension_control_path', `${live}/share:$system`], libraries]
  if (server.settings.includes('extension_destdir')) return [['extension_destdir', live], libraries]
  throw new ProviderError(
    'NOT_POSTGRES',
    `Cannot add extensions to ${printable(server.version)} in ${printable(server.bin)}: it loads them from its own folders only; that takes Postgres 18, or the packages of Debian, Ubuntu or apt.postgresql.org`,
  )
}

const defaults: Readonly<Record<string, string>> = {
  extension_destdir: '',
  extension_control_path: '$system',
  dynamic_library_path: '$libdir',
}

/**
 * What to do about a cluster's settings. Somebody else's value is not replaced, but one that leads to us as well is as good.
 *
 * @param found what the cluster says
 * @throws ProviderError CONFLICT
 */
export function settingsToDo(
  wanted: readonly (readonly [name: string, value: string])[],
  found: ReadonlyMap<string, string>,
  where: string,
): 'set' | 'nothing' {
  const open = wanted.filter(([name, value]) => !leadsTo(found.get(name) ?? '', value))
  for (const [name, value] of open) {
    const now = found.get(name) ?? ''
    // One that was ours, of another instance or store, is somebody else's too.
    if (now === defaults[name]) continue
    const [own = '', ...others] = value.split(':')
    const both = others.length > 0 ? `${own}:${printable(now)}` : value
    throw new ProviderError(
      'CONFLICT',
      `Cannot set ${name} of ${where}: it is ${quote(now)} already; take that away there, or set ${name} = '${both}' yourself`,
    )
  }
  return open.length > 0 ? 'set' : 'nothing'
}

function leadsTo(now: string, value: string): boolean {
  const [own = ''] = value.split(':')
  return now.split(':').includes(own)
}
