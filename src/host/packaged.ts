import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { type Digest, digestFromHex } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
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

type Signal = { readonly signal?: AbortSignal }

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
export async function survey(target: StoreTarget, pgConfig = '', options: Signal = {}): Promise<Survey> {
  const lines = await ask(target, 'survey', [pgConfig], options)
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

export interface HostFile {
  readonly path: string
  readonly digest: Digest
  readonly size: number
}

/** Files of a Postgres and libraries of its host, and links that lead to some of them; paths are absolute. */
export interface Inventory {
  readonly files: readonly HostFile[]
  readonly links: ReadonlyMap<string, string>
}

const mostFiles = 50_000
const fileSchema = z.tuple([z.string().regex(/^[0-9a-f]{64}$/), z.string().regex(/^\d{1,12}$/), z.string().max(4096)])

export async function inventory(
  target: StoreTarget,
  { bin, library, share }: PackagedServer,
  options: Signal = {},
): Promise<Inventory> {
  const lines = await ask(target, 'inventory', [bin, library, share], options)
  if (lines.length > mostFiles)
    throw new ProviderError(
      'LIMIT_EXCEEDED',
      `Cannot use ${target.transport.name}: it has more than ${mostFiles} libraries and files of Postgres`,
    )
  return {
    files: lines.flatMap(([key, ...fields]) => {
      const { data } = fileSchema.safeParse(fields)
      if (key !== 'file' || data === undefined) return []
      return [{ digest: digestFromHex(data[0]), size: Number(data[1]), path: data[2] }]
    }),
    links: new Map(
      lines.flatMap(([key, from, to]): [string, string][] => (key === 'link' && from && to ? [[from, to]] : [])),
    ),
  }
}

/** How many bytes of both ends of a file are read, where its middle tells nothing. */
export interface Edges {
  readonly head: number
  readonly tail: number
}

/**
 * What is in files, or in both ends of them, one after the other.
 *
 * @returns by path
 */
export async function readFiles(
  target: StoreTarget,
  wanted: readonly { readonly path: string; readonly edges: Edges | undefined }[],
  options: Signal = {},
): Promise<Map<string, Buffer>> {
  const stdin = wanted.map(({ path: one, edges }) => `${edges?.head ?? 0} ${edges?.tail ?? 0} ${one}\n`).join('')
  const lines = await ask(target, 'inventory', ['', '', ''], { ...options, stdin })
  const limit = { maxOutputLength: 256 * 1024 ** 2 }
  return new Map(
    lines.flatMap(([key, name, text = '']): [string, Buffer][] =>
      key === 'content' && name ? [[name, gunzipSync(Buffer.from(text, 'base64'), limit)]] : [],
    ),
  )
}

/** A setting's name and value; neither has anything that would have to be quoted. */
export type Setting = readonly [name: string, value: string]

/** What a cluster says of settings, whatever they should be; undefined for one that is down. */
export async function lookAtSettings(
  target: StoreTarget,
  cluster: Cluster,
  settings: readonly Setting[],
  options: Signal = {},
): Promise<Map<string, string> | undefined> {
  const lines = await attach(target, 'look', { cluster, settings }, options)
  if (lines.some(([key]) => key === 'down')) return undefined
  return new Map(lines.flatMap(([key, name = '', value = '']) => (key === 'setting' ? [[name, value] as const] : [])))
}

/** Sets them for good, or takes back what was set so; a reload, no restart. Resolves when the cluster follows. */
export async function changeSettings(
  target: StoreTarget,
  action: 'set' | 'reset',
  change: { readonly cluster: Cluster; readonly settings: readonly Setting[] },
  options: Signal = {},
): Promise<void> {
  await attach(target, action, change, options)
}

function attach(
  target: StoreTarget,
  action: 'look' | 'set' | 'reset',
  { cluster, settings }: { readonly cluster: Cluster; readonly settings: readonly Setting[] },
  options: Signal,
): Promise<string[][]> {
  const { bin, owner, data, config } = cluster
  for (const [name, value] of settings)
    if (!/^[a-z_]+$/.test(name) || !/^[A-Za-z0-9_./:$-]+$/.test(value))
      throw new ProviderError('BAD_INPUT', `Cannot set ${name}: its value holds more than plain path characters`)
  return ask(target, 'attach', [action, bin, owner, data, config, ...settings.flat()], options)
}

function ask(
  { transport, root, instance, sudo }: StoreTarget,
  verb: 'survey' | 'inventory' | 'attach',
  words: readonly string[],
  options: Signal & { readonly stdin?: string },
): Promise<string[][]> {
  return runScript(transport, verb, [root, instance, ...words], { sudo, ...options })
}
