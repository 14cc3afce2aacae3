import { z } from 'zod'
import { runScript } from './script.ts'
import type { StoreTarget } from './store.ts'

/** A Postgres that packages have put on a host; folders are absolute. */
export interface PackagedServer {
  readonly bin: string
  readonly library: string
  readonly share: string
  /** What `postgres --version` says. */
  readonly version: string
  /** Those of the settings that lead to extensions elsewhere which it knows. */
  readonly settings: readonly string[]
}

export interface Cluster {
  /** `15/main`, as Debian names it; elsewhere its data folder. */
  readonly name: string
  readonly status: string
  readonly owner: string
  readonly data: string
  /** Folder of postgresql.conf. */
  readonly config: string
  readonly bin: string
}

export interface Survey {
  readonly machine: string
  readonly servers: readonly PackagedServer[]
  readonly clusters: readonly Cluster[]
}

// They become words of scripts and parts of paths in the store.
const path = z
  .string()
  .max(1024)
  .regex(/^(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9_.+@-]+)+$/)
const word = z.string().max(255)
const serverSchema = z.tuple([path, path, path, word, word])
const clusterSchema = z.tuple([
  word.regex(/^[A-Za-z0-9_.+@/-]+$/),
  word,
  word.regex(/^[a-z_][a-z0-9_.-]*\$?$/i),
  path,
  path,
  path,
])

/** Which Postgres there is and which clusters; what has paths that nobody would choose is passed over. */
export async function survey(
  { transport, root, instance, sudo }: StoreTarget,
  pgConfig = '',
  options: { readonly signal?: AbortSignal } = {},
): Promise<Survey> {
  const lines = await runScript(transport, 'survey', [root, instance, pgConfig], { sudo, ...options })
  const each = (key: string) => lines.flatMap(([first, ...rest]) => (first === key ? [rest] : []))
  return {
    machine: each('machine')[0]?.[0] ?? '',
    servers: each('server').flatMap((fields) => {
      const { data } = serverSchema.safeParse(fields)
      if (data === undefined) return []
      const [bin, library, share, version, settings] = data
      return [{ bin, library, share, version, settings: settings.split(' ').filter(Boolean) }]
    }),
    clusters: each('cluster').flatMap((fields) => {
      const { data } = clusterSchema.safeParse(fields)
      if (data === undefined) return []
      const [name, status, owner, folder, config, bin] = data
      return [{ name, status, owner, data: folder, config, bin }]
    }),
  }
}
