import type { Stats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type Digest, hexOf } from '../model/digest.ts'
import { type Derived, derivedFiles } from './derived.ts'
import { downloader, type Wanted } from './download.ts'
import type { Log } from './environment.ts'
import { explained } from './files.ts'
import { digestOfFile } from './hash.ts'
import { withLock } from './lock.ts'
import { downloadProgress } from './progress.ts'
import { inTurns, sharedWork } from './shared.ts'
import { type Descriptor, maxDocument, type Source } from './source.ts'
import { cacheLimit, markUsed, sweeper } from './sweep.ts'

/** Blobs of one image that are downloaded at once. */
const parallel = 4

/**
 * The controller's own store of verified blobs, shared by all processes and runs. What is in it is proven again when
 * a process first uses it: a disk can rot, and others can write there. It may be deleted at any time, also in the
 * middle of a run, which then fetches again what it still needs. It stays below `PGOCI_CACHE_SIZE`.
 */
export interface Cache extends Derived {
  /**
   * Resolving means "these bytes are at this path and have this digest", not "this call fetched them". They may be
   * gone a moment later: what reads them asks {@link Cache.open}.
   */
  blob(source: Source, descriptor: Descriptor, options?: { signal?: AbortSignal }): Promise<string>
  /** The same, opened, so that whoever deletes it now takes it from nobody. To be closed by the caller. */
  open(source: Source, descriptor: Descriptor, options?: { signal?: AbortSignal }): Promise<FileHandle>
  /** The same for a manifest or index, whose size nobody knows before; its bytes. */
  manifest(source: Source, digest: Digest, options?: { signal?: AbortSignal }): Promise<Uint8Array>
}

export interface CacheOptions {
  /** Hears of downloads that last, and of mirrors that are passed over. @default says nothing */
  readonly log?: Log
  /** Bytes; asked when something comes. @default PGOCI_CACHE_SIZE */
  readonly limit?: () => number
}

/** PGOCI_CACHE, or a folder of the user's cache. */
export function defaultCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env['PGOCI_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'pulumi-postgres-oci')
}

export function openCache(folder: string = defaultCacheFolder(), options: CacheOptions = {}): Cache {
  const { log = () => {}, limit = cacheLimit } = options
  const once = sharedWork<string>()
  const inLine = inTurns(parallel)
  const download = downloader(log)
  const progress = downloadProgress(log)
  const sweep = sweeper(folder, limit)
  /** Path → how the file looked when this process proved it. */
  const proven = new Map<string, string>()

  /** One at a time for a digest, in this process by promise and among processes by lock. */
  const present = (source: Source, wanted: Wanted, signal: AbortSignal | undefined): Promise<string> => {
    const path = join(folder, 'blobs', 'sha256', hexOf(wanted.digest))
    const get = async (signal: AbortSignal) => {
      if (await isPresent(path, wanted, { proven, signal })) return path
      limit()
      const { size = 0 } = wanted
      const shown = progress(source.name, size)
      const fetchUnlessThere = async () => {
        // Another process may have fetched it while we waited.
        if (await isPresent(path, wanted, { proven, signal })) return
        await download(path, wanted, { source, signal, came: shown.came })
        const found = await stat(path).catch(() => undefined)
        if (found) proven.set(path, looksOf(found))
      }
      const locked = () => withLock(`${path}.lock`, fetchUnlessThere, signal)
      try {
        // Documents are small and wait for nothing.
        await (wanted.size === undefined ? locked() : inLine(source.name, locked, signal))
        shown.done()
      } catch (error) {
        throw signal.aborted ? signal.reason : explained(path, error)
      } finally {
        shown.close()
      }
      await sweep(size)
      return path
    }
    return once(path, get, signal)
  }
  /** What is deleted between being fetched and being opened is fetched again. */
  const opened = async (source: Source, wanted: Wanted, signal: AbortSignal | undefined): Promise<FileHandle> => {
    for (let attempt = 1; ; attempt += 1) {
      const path = await present(source, wanted, signal)
      try {
        return await open(path)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt >= 3) throw explained(path, error)
      }
    }
  }
  const blobOf = (descriptor: Descriptor): Wanted => ({
    ...descriptor,
    fetch: (from, signal) => from.blob(descriptor, { signal }),
  })

  return {
    blob: (source, descriptor, { signal } = {}) => present(source, blobOf(descriptor), signal),
    open: (source, descriptor, { signal } = {}) => opened(source, blobOf(descriptor), signal),
    manifest: async (source, digest, { signal } = {}) => {
      const fetch: Wanted['fetch'] = async (from, by) => Readable.from([await from.manifest(digest, { signal: by })])
      const file = await opened(source, { digest, size: undefined, fetch }, signal)
      return file.readFile().finally(() => file.close())
    },
    ...derivedFiles(folder, sweep),
  }
}

async function isPresent(
  path: string,
  { digest, size }: Wanted,
  options: { readonly proven: Map<string, string>; readonly signal: AbortSignal },
): Promise<boolean> {
  const { proven, signal } = options
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile() || found.size !== (size ?? Math.min(found.size, maxDocument))) return false
  if (proven.get(path) !== looksOf(found)) {
    const computed = await digestOfFile(path, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      return error
    })
    if (computed !== digest) return false
  }
  proven.set(path, looksOf(await markUsed(path, found)))
  return true
}

const looksOf = ({ ino, size, mtimeMs }: Stats) => `${ino} ${size} ${mtimeMs}`
