import { randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { z } from 'zod'
import { digestOf, hexOf } from '../model/digest.ts'
import type { Descriptor, Source } from './source.ts'
import { verify } from './verify.ts'

/** The controller's own store of verified blobs, shared by preview and up; deletable at any time. */
export interface Cache {
  /** Resolving means "these bytes are at this path and have this digest", not "this call wrote them". */
  blob(source: Source, descriptor: Descriptor, options?: { signal?: AbortSignal }): Promise<string>
  /** Something derived from verified bytes, or undefined. Torn and foreign files are passed over. */
  readJson<T>(kind: string, key: string, schema: z.ZodType<T>): Promise<T | undefined>
  writeJson(kind: string, key: string, value: unknown): Promise<void>
}

function defaultCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env['PGOCI_CACHE'] ?? join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'pulumi-postgres-oci')
}

export function openCache(folder: string = defaultCacheFolder()): Cache {
  const underway = new Map<string, Promise<string>>()
  const jsonPath = (kind: string, key: string) => join(folder, 'derived', kind, `${hexOf(digestOf(key))}.json`)
  return {
    blob: (source, descriptor, options = {}) => {
      const path = join(folder, 'blobs', 'sha256', hexOf(descriptor.digest))
      const started = underway.get(path) ?? present(path, descriptor, source, options.signal)
      underway.set(path, started)
      started.catch(() => underway.delete(path))
      return started
    },
    readJson: async (kind, key, schema) => {
      const text = await readFile(jsonPath(kind, key), 'utf8').catch(() => '')
      const [sum, body] = [text.slice(0, 71), text.slice(72)]
      if (text === '' || sum !== digestOf(body)) return undefined
      const parsed = schema.safeParse(JSON.parse(body))
      return parsed.success ? parsed.data : undefined
    },
    writeJson: async (kind, key, value) => {
      const body = JSON.stringify(value)
      await replace(jsonPath(kind, key), async (temporary) => writeFile(temporary, `${digestOf(body)}\n${body}`))
    },
  }
}

async function present(path: string, descriptor: Descriptor, source: Source, signal?: AbortSignal): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (found?.size === descriptor.size && (await isWhole(path, descriptor))) return path
  await replace(path, async (temporary) => {
    const bytes: Readable = await source.blob(descriptor, signal ? { signal } : {})
    await pipeline(bytes, verify(descriptor, source.name), createWriteStream(temporary), signal ? { signal } : {})
    const file = await open(temporary, 'r+')
    await file.sync().finally(() => file.close())
  })
  return path
}

/** Once a process: a disk can rot, and another program can write here. */
async function isWhole(path: string, descriptor: Descriptor): Promise<boolean> {
  try {
    for await (const _ of createReadStream(path, { highWaterMark: 1024 * 1024 }).pipe(
      verify(descriptor, 'the cache'),
    )) {
      // Only the end tells.
    }
    return true
  } catch {
    return false
  }
}

async function replace(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomUUID()}`
  try {
    await write(temporary)
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
}
