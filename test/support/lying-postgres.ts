import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster, PackagedServer } from '../../src/host/packaged.ts'

export interface PostgresLies {
  /** What psql does. */
  readonly psql?: string
  readonly isUp?: boolean
  readonly owner?: string
}

/** A Postgres of scripts, for what no real one does on demand; there is no server behind it. */
export function writePostgres(
  folder: string,
  { psql = '', isUp = true, owner = 'postgres' }: PostgresLies = {},
): { readonly pgConfig: string; readonly cluster: Cluster; readonly server: PackagedServer } {
  const bin = join(folder, 'pg/bin')
  const data = join(folder, 'data')
  for (const path of [bin, data]) mkdirSync(path, { recursive: true })
  const write = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  write('pg_config', `echo ${bin}`)
  write('psql', psql)
  // Of a process that runs for sure: this one.
  if (isUp) writeFileSync(join(data, 'postmaster.pid'), `${process.pid}\n${data}\n0\n5432\n/run\n`)
  const cluster = { name: data, status: isUp ? 'online' : 'down', owner, data, config: data, bin }
  const version = 'postgres (PostgreSQL) 18.1'
  const server = { bin, library: bin, share: bin, version, settings: ['extension_control_path'] }
  return { pgConfig: join(bin, 'pg_config'), cluster, server }
}
