import { createWriteStream } from 'node:fs'
import { utimes } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Digest } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import type { Log } from './environment.ts'
import { replaceFile } from './files.ts'
import type { Source } from './source.ts'
import { verify } from './verify.ts'

/** Something to bring into the cache. */
export interface Wanted {
  readonly digest: Digest
  /** A manifest's is not known before. */
  readonly size: number | undefined
  readonly fetch: (from: Source, signal: AbortSignal) => Promise<Readable>
}

interface DownloadOptions {
  readonly signal: AbortSignal
  /** Hears of bytes that came, and of bytes that have to come again, as a negative number. */
  readonly came: (bytes: number) => void
}

/**
 * Brings verified bytes to a path, from the first of a source's mirrors that has them, else from the source itself,
 * whose error is the one that counts. Content is proven by digest, so a mirror needs no trust (C-oci, 1.6). One that
 * fails or lies is not asked again in this run, one that lacks something is; the log names each once.
 */
export function downloader(
  log: Log,
): (path: string, wanted: Wanted, options: DownloadOptions & { readonly source: Source }) => Promise<void> {
  const failed = new Set<string>()
  const named = new Set<string>()
  const passOver = (mirror: Source, error: unknown) => {
    const isLacking = error instanceof ProviderError && error.code === 'NOT_FOUND'
    if (!isLacking) failed.add(mirror.name)
    const key = `${mirror.name} ${isLacking}`
    if (named.has(key)) return
    named.add(key)
    const why = printable(messageOf(error), 500)
    const which = why.includes(mirror.name) ? 'a mirror' : `the mirror ${mirror.name}`
    log(`Passing over ${which} ${isLacking ? 'where it lacks something' : 'from now on'}: ${why}`)
  }
  return async (path, wanted, { source, ...options }) => {
    for (const mirror of source.mirrors ?? []) {
      if (failed.has(mirror.name)) continue
      try {
        return await bring(path, wanted, { ...options, source: mirror })
      } catch (error) {
        options.signal.throwIfAborted()
        // No other place would help the disk here.
        if (error instanceof ProviderError && error.code === 'NO_SPACE') throw error
        passOver(mirror, error)
      }
    }
    return bring(path, wanted, { ...options, source })
  }
}

async function bring(
  path: string,
  wanted: Wanted,
  { source, signal, came }: DownloadOptions & { readonly source: Source },
): Promise<void> {
  await replaceFile(path, async (temporary) => {
    let size = 0
    const count = (bytes: number) => {
      size += bytes
      came(bytes)
    }
    try {
      await pipeline(
        await wanted.fetch(source, signal),
        verify(wanted, { source: source.name, came: count }),
        createWriteStream(temporary, { mode: 0o600 }),
        { signal },
      )
    } catch (error) {
      came(-size)
      throw error
    }
    // Whole seconds outlive `utimes`, which marks use later without changing when the content came.
    const now = Math.floor(Date.now() / 1000)
    await utimes(temporary, now, now)
  })
}
