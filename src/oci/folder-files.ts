import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { type LayoutFiles, unreadable } from './layout-files.ts'

/** A folder's files. Links inside it are followed, as tools share blobs by them; one that leads out is refused. */
export function folderFiles(folder: string): LayoutFiles {
  const name = `oci:${printable(folder)}`
  return {
    name,
    open: async (path) => {
      const file = await openInside(folder, path, name)
      if (file === undefined) return undefined
      const found = await file.stat()
      if (found.isFile()) return { size: found.size, bytes: file.createReadStream({ highWaterMark: 256 * 1024 }) }
      await file.close()
      throw new ProviderError('BAD_IMAGE', `Cannot read ${path} in ${name}: it is no file; copy the image again`)
    },
  }
}

async function openInside(folder: string, path: string, name: string): Promise<FileHandle | undefined> {
  try {
    const root = await realpath(folder)
    const real = await realpath(join(root, path))
    if (!real.startsWith(root.endsWith(sep) ? root : `${root}${sep}`))
      throw new ProviderError(
        'BAD_IMAGE',
        `Cannot read ${path} in ${name}: it is a link out of the layout; copy the image again`,
      )
    // A FIFO would wait for a writer for ever.
    return await open(real, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (error instanceof ProviderError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw unreadable(path, name, error)
  }
}
