import { randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'

const attempts = 3

/**
 * Brings a file into being at once and whole: at every instant the path has the former file or the new one. When
 * somebody deletes the folder meanwhile, `write` is asked again.
 */
export async function replaceFile(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const temporary = `${path}.${randomUUID()}`
    try {
      await makeFolder(dirname(path))
      await write(temporary)
      const file = await open(temporary, 'r+')
      await file.sync().finally(() => file.close())
      await rename(temporary, path)
      return
    } catch (error) {
      const { code, path: where } = (error ?? {}) as NodeJS.ErrnoException
      if (code !== 'ENOENT' || where !== temporary || attempt >= attempts) throw explained(path, error)
    } finally {
      await rm(temporary, { force: true }).catch(() => {})
    }
  }
}

export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw explained(path, error)
  })
}

const unwritable = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'EEXIST']

/** Trouble with the cache's own disk; everything else is the source's and stays as it is. */
export function explained(path: string, error: unknown): unknown {
  const { code = '' } = (error ?? {}) as NodeJS.ErrnoException
  const advice = 'set PGOCI_CACHE to another folder'
  const folder = quote(dirname(path))
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new ProviderError(
      'NO_SPACE',
      `Cannot keep an image in ${folder}: its disk is full; free space, or ${advice}`,
    )
  if (unwritable.includes(code))
    return new ProviderError(
      'BAD_INPUT',
      `Cannot keep an image in ${folder}: ${printable(messageOf(error))}; ${advice}`,
    )
  return error
}
