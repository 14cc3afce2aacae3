import { createWriteStream, type Stats } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { z } from 'zod'
import { type Digest, digestOf, hexOf } from '../model/digest.ts'
import { makeFolder, removeLeftovers, replaceFile } from './files.ts'
import { digestOfFile } from './hash.ts'
import { withLock } from './lock.ts'
import { type Descriptor, maxDocument, type Source } from './source.ts'
import { verify } from './verify.ts'

/**
 * The controller's own store of verified blobs, shared by all processes and runs; deletable at any time. What is in
 * it is proven again when a process first uses it: a disk can rot, and others can write there.
 */
export interface Cache {
  /** Resolving means "these bytes are at this path and have this digest", not "this call fetched them". */
  blob(source: Source, descriptor: Descriptor, options?: { signal?: AbortSignal }): Promise<string>
  /** The same for a manifest or index, whose size nobody knows before; its bytes. */
  manifest(source: Source, digest: Digest, options?: { signal?: AbortSignal }): Promise<Uint8Array>
  /** Something derived from verified bytes, or undefined. Torn and foreign files are passed over. */
  readJson<T>(kind: string, key: string, schema: z.ZodType<T>): Promise<T | undefined>
  writeJson(kind: string, key: string, value: unknown): Promise<void>
}

function defaultCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env['PGOCI_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'pulumi-postgres-oci')
}

/** How something gets into the cache. */
interface Wanted {
  readonly digest: Digest
  readonly size: number | undefined
  readonly from: string
  readonly fetch: (signal: AbortSignal | undefined) => Promise<Readable>
}

export function openCache(folder: string = defaultCacheFolder()): Cache {
  const underway = new Map<string, Promise<string>>()
  const proven = new Map<string, string>()
  const jsonPath = (kind: string, key: string) => join(folder, 'derived', kind, `${hexOf(digestOf(key))}.json`)

  /** One at a time for a digest, in this process by promise and among processes by lock. */
  const present = async (wanted: Wanted, signal: AbortSignal | undefined): Promise<string> => {
    const path = join(folder, 'blobs', 'sha256', hexOf(wanted.digest))
    for (let other = underway.get(path); other; other = underway.get(path)) {
      signal?.throwIfAborted()
      // What another caller's wait ended with may be that caller's own signal.
      const found = await other.catch(() => undefined)
      if (found !== undefined) return found
    }
    const mine = fetchOnce(path, wanted, { proven, signal }).finally(() => underway.delete(path))
    underway.set(path, mine)
    return mine
  }

  return {
    blob: (source, descriptor, { signal } = {}) => {
      const fetch = (by: AbortSignal | undefined) => source.blob(descriptor, by ? { signal: by } : {})
      return present({ ...descriptor, from: source.name, fetch }, signal)
    },
    manifest: async (source, digest, { signal } = {}) => {
      const fetch = async (by: AbortSignal | undefined) =>
        Readable.from([await source.manifest(digest, by ? { signal: by } : {})])
      return readFile(await present({ digest, size: undefined, from: source.name, fetch }, signal))
    },
    readJson: async (kind, key, schema) => {
      const text = await readFile(jsonPath(kind, key), 'utf8').catch(() => '')
      const body = text.slice(72)
      if (text === '' || text.slice(0, 71) !== digestOf(body)) return undefined
      try {
        return schema.parse(JSON.parse(body))
      } catch {
        return undefined
      }
    },
    writeJson: async (kind, key, value) => {
      const body = JSON.stringify(value)
      await replaceFile(jsonPath(kind, key), (temporary) => writeFile(temporary, `${digestOf(body)}\n${body}`))
    },
  }
}

interface FetchOptions {
  /** Path → how the file looked when this process proved it. */
  readonly proven: Map<string, string>
  readonly signal: AbortSignal | undefined
}

async function fetchOnce(path: string, wanted: Wanted, options: FetchOptions): Promise<string> {
  const { proven, signal } = options
  if (await isPresent(path, wanted, options)) return path
  await makeFolder(dirname(path))
  const work = async () => {
    // Another process may have fetched it while we waited.
    if (await isPresent(path, wanted, options)) return
    await removeLeftovers(path)
    await replaceFile(path, async (temporary) => {
      const bytes = await wanted.fetch(signal)
      await pipeline(
        bytes,
        verify(wanted, wanted.from),
        createWriteStream(temporary, { mode: 0o600 }),
        signal ? { signal } : {},
      )
    })
    const found = await stat(path)
    proven.set(path, looksOf(found))
  }
  await withLock(`${path}.lock`, work, signal).catch((error: unknown) => {
    throw signal?.aborted ? signal.reason : error
  })
  return path
}

async function isPresent(path: string, wanted: Wanted, { proven, signal }: FetchOptions): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile() || found.size !== (wanted.size ?? Math.min(found.size, maxDocument))) return false
  if (proven.get(path) === looksOf(found)) return true
  const digest = await digestOfFile(path, signal).catch((error: unknown) => {
    signal?.throwIfAborted()
    return error
  })
  if (digest !== wanted.digest) return false
  proven.set(path, looksOf(found))
  return true
}

const looksOf = ({ ino, size, mtimeMs }: Stats) => `${ino} ${size} ${mtimeMs}`
