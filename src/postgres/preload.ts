/**
 * What goes into shared_preload_libraries before an extension works, in the order that it needs there: nothing in an
 * image tells. Each line is what that project's own installation notes say; citus asks to be the first, and what
 * builds on pg_stat_statements comes behind it.
 */
const libraries: readonly (readonly [library: string, ...extensions: readonly string[]])[] = [
  ['citus'],
  ['timescaledb', 'timescaledb-oss'],
  ['pg_stat_statements'],
  ['pg_stat_kcache'],
  ['pg_qualstats'],
  ['pg_wait_sampling'],
  ['powa'],
  ['pg_stat_monitor'],
  ['pgaudit'],
  ['pgauditlogtofile'],
  ['pg_cron'],
  ['pg_partman_bgw', 'pg_partman'],
  ['age'],
  ['anon'],
  ['credcheck'],
  ['pg_duckdb'],
  ['pg_durable'],
  ['pg_failover_slots'],
  ['pg_hint_plan'],
  ['pg_net'],
  ['pg_squeeze'],
  ['pg_textsearch'],
  ['pg_tle'],
  ['pglogical'],
  ['pgsodium'],
  ['pgtt'],
  ['plprofiler'],
  ['set_user'],
  ['vchord'],
]

/**
 * The libraries that some extensions want preloaded, in the order for the setting.
 *
 * @param names of extensions, as CREATE EXTENSION or as a repository has them
 */
export function preloadLibraries(names: Iterable<string>): string[] {
  const wanted = new Set([...names].flatMap((name) => [name, name.replaceAll('-', '_')]))
  return libraries.filter((known) => known.some((name) => wanted.has(name))).map(([library]) => library)
}
