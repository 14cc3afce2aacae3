import { gunzipSync } from 'node:zlib'
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
  /** Those of the files that a later look need not read again if they still look so. */
  readonly known: KnownFiles
}

/** How files looked to stat(2), a line each, and what was in them then. */
export type KnownFiles = ReadonlyMap<string, Digest>

const mostFiles = 50_000
/** Seconds: a file that was changed so lately may be changed again without looking otherwise, on the coarsest of clocks. */
const settling = 2
// When its inode was changed (twice), and its content; inode, size, path.
const look = /^(\d{1,15})\t[\d :.+-]{1,40}\t-?\d{1,15}\t\d{1,20}\t(\d{1,12})\t(\/[^\t\n]{0,1023})$/

/** @param options.known what an earlier look has found there: of these, no file is read that still looks the same */
export async function inventory(
  target: StoreTarget,
  { bin, library, share }: PackagedServer,
  { known = new Map(), ...options }: Signal & { readonly known?: KnownFiles } = {},
): Promise<Inventory> {
  const stdin = [...known.keys()].map((line) => `${line}\n`).join('')
  const lines = await ask(target, [bin, library, share], { ...options, stdin })
  const there = new Map(known)
  for (const [key, first = '', ...fields] of lines) {
    if (key === 'gone') there.delete([first, ...fields].join('\t'))
    else if (key === 'file' && /^[0-9a-f]{64}$/.test(first)) there.set(fields.join('\t'), digestFromHex(first))
  }
  if (Math.max(lines.length, there.size) > mostFiles)
    throw new ProviderError(
      'LIMIT_EXCEEDED',
      `Cannot use ${target.transport.name}: it has more than ${mostFiles} libraries and files of Postgres`,
    )
  const now = Number(lines.find(([key]) => key === 'now')?.[1])
  const seen = [...there].flatMap(([line, digest]) => {
    const [, changed, size, path] = look.exec(line) ?? []
    return path === undefined
      ? []
      : [{ line, digest, size: Number(size), path, isOld: now - Number(changed) > settling }]
  })
  return {
    files: seen.map(({ path, digest, size }) => ({ path, digest, size })).sort((a, b) => (a.path < b.path ? -1 : 1)),
    links: new Map(
      lines.flatMap(([key, from, to]): [string, string][] => (key === 'link' && from && to ? [[from, to]] : [])),
    ),
    known: new Map(seen.flatMap(({ line, digest, isOld }) => (isOld ? [[line, digest]] : []))),
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
