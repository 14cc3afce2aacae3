import { randomUUID } from 'node:crypto'
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { z } from 'zod'
import { digestOf, hexOf } from '../model/digest.ts'
import { makeFolder, replaceFile } from './files.ts'
import { markUsed } from './sweep.ts'

/** What was made of verified bytes and is kept, because making it takes time. It may be gone at any moment. */
export interface Derived {
  /** Or undefined. Torn and foreign files are passed over. */
  readJson<T>(kind: string, key: string, schema: z.ZodType<T>): Promise<T | undefined>
  writeJson(kind: string, key: string, value: unknown): Promise<void>
  /** What was kept, or else is made now, and kept. */
  json<T>(kind: string, key: string, schema: z.ZodType<T>, make: () => Promise<T>): Promise<T>
  /** Opens what {@link Derived.keepFile} kept, or undefined. Nothing proves it, so its reader has to. */
  openFile(kind: string, key: string): Promise<FileHandle | undefined>
  /** Begins to keep a stream's chunks, as they are told; a disk that is full or read-only only means that nothing is kept. */
  keepFile(kind: string, key: string): Promise<KeptFile>
  dropFile(kind: string, key: string): Promise<void>
}

interface KeptFile {
  add(chunk: Buffer): Promise<void>
  /** Brings it into being, or, when it is not `whole`, leaves nothing behind. */
  end(whole: boolean): Promise<void>
}

/** @param added hears of bytes that came */
export function derivedFiles(folder: string, added: (bytes: number) => Promise<void>): Derived {
  const pathOf = (kind: string, key: string) => join(folder, 'derived', kind, hexOf(digestOf(key)))
  const readJson: Derived['readJson'] = async (kind, key, schema) => {
    const path = `${pathOf(kind, key)}.json`
    const text = await readFile(path, 'utf8').catch(() => '')
    const body = text.slice(72)
    if (text === '' || text.slice(0, 71) !== digestOf(body)) return undefined
    try {
      const value = schema.parse(JSON.parse(body))
      await touch(path)
      return value
    } catch {
      return undefined
    }
  }
  const writeJson: Derived['writeJson'] = async (kind, key, value) => {
    const body = JSON.stringify(value)
    await replaceFile(`${pathOf(kind, key)}.json`, (temporary) => writeFile(temporary, `${digestOf(body)}\n${body}`))
    await added(body.length)
  }
  return {
    readJson,
    writeJson,
    json: async (kind, key, schema, make) => {
      const known = await readJson(kind, key, schema)
      if (known !== undefined) return known
      const made = await make()
      await writeJson(kind, key, made)
      return made
    },
    openFile: async (kind, key) => {
      const path = pathOf(kind, key)
      const file = await open(path).catch(() => undefined)
      if (file) await touch(path)
      return file
    },
    keepFile: async (kind, key) => {
      const path = pathOf(kind, key)
      const temporary = `${path}.${randomUUID()}`
      let size = 0
      let file = await makeFolder(dirname(path))
        .then(() => open(temporary, 'wx', 0o600))
        .catch(() => undefined)
      const giveUp = async () => {
        await file?.close().catch(() => {})
        file = undefined
        await rm(temporary, { force: true }).catch(() => {})
      }
      return {
        add: async (chunk) => {
          if (file === undefined) return
          await file.appendFile(chunk).catch(giveUp)
          size += chunk.length
        },
        end: async (whole) => {
          if (file === undefined || !whole) return giveUp()
          // Not synced: who reads it proves it.
          await file
            .close()
            .then(() => rename(temporary, path))
            .catch(giveUp)
          await added(size)
        },
      }
    },
    dropFile: (kind, key) => rm(pathOf(kind, key), { force: true }).catch(() => {}),
  }
}

async function touch(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found) await markUsed(path, found)
}
