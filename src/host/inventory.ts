import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { type Digest, digestFromHex } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import type { PackagedServer } from './packaged.ts'
import { runScript } from './script.ts'
import type { StoreTarget } from './store.ts'

type Signal = { readonly signal?: AbortSignal }

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
  const lines = await ask(target, [bin, library, share], options)
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

/** What is in files, or in both ends of them, one after the other; `length` is what that should come to. */
export async function readFiles(
  target: StoreTarget,
  wanted: readonly { readonly path: string; readonly edges: Edges | undefined }[],
  { length, ...options }: Signal & { readonly length: number },
): Promise<Buffer> {
  const stdin = wanted.map(({ path: one, edges }) => `${edges?.head ?? 0} ${edges?.tail ?? 0} ${one}\n`).join('')
  const lines = await ask(target, ['', '', ''], { ...options, stdin })
  const [, text = ''] = lines.find(([key]) => key === 'content') ?? []
  try {
    return gunzipSync(Buffer.from(text, 'base64'), { maxOutputLength: Math.max(length, 1) })
  } catch (cause) {
    throw new ProviderError(
      'STORE_CHANGED',
      `Cannot read the Postgres of ${target.transport.name}: its files changed meanwhile; run it again`,
      { cause },
    )
  }
}

function ask(
  { transport, root, instance, sudo }: StoreTarget,
  folders: readonly string[],
  options: Signal & { readonly stdin?: string },
): Promise<string[][]> {
  return runScript(transport, 'inventory', [root, instance, ...folders], { sudo, ...options })
}
