import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'

/** Longer than any download: a file of that age was left by a process that was killed. */
const leftover = 24 * 3600 * 1000

/** Brings a file into being at once and whole: at every instant the path has the former file or the new one. */
export async function replaceFile(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomUUID()}`
  try {
    await makeFolder(dirname(path))
    await write(temporary)
    const file = await open(temporary, 'r+')
    await file.sync().finally(() => file.close())
    await rename(temporary, path)
  } catch (error) {
    throw explained(path, error)
  } finally {
    await rm(temporary, { force: true }).catch(() => {})
  }
}

export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw explained(path, error)
  })
}

/** Removes what killed processes left beside `path`. */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path)
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(`${basename(path)}.`)) continue
    const found = await stat(join(folder, name)).catch(() => undefined)
    if (found && Date.now() - found.mtimeMs > leftover) await rm(join(folder, name), { force: true })
  }
}

const unwritable = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'EEXIST']

/** Trouble with the cache's own disk; everything else is the source's and stays as it is. */
function explained(path: string, error: unknown): unknown {
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
