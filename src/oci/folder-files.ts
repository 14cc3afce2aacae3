import { constants } from 'node:fs'
import { open, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { Readable } from 'node:stream'
import { fileBytes } from '../archive/file-bytes.ts'
import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { type LayoutFiles, unreadable } from './layout-files.ts'

const chunk = 256 * 1024

/** A folder's files. Links inside it are followed, as tools share blobs by them; one that leads out is refused. */
export function folderFiles(folder: string): LayoutFiles {
  const name = `oci:${printable(folder)}`
  return {
    name,
    open: async (path) => {
      const place = { path, name }
      try {
        const real = await inside(folder, place)
        const { size } = mustBeFile(await stat(real), place)
        return { size, bytes: Readable.from(bytesOf(real, place), { objectMode: false, highWaterMark: chunk }) }
      } catch (error) {
        if (error instanceof ProviderError) throw error
        const { code } = error as NodeJS.ErrnoException
        if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
        throw unreadable(path, name, error)
      }
    },
  }
}

/** Where in a layout, for messages. */
interface Place {
  readonly path: string
  readonly name: string
}

async function inside(folder: string, { path, name }: Place): Promise<string> {
  const root = await realpath(folder)
  const real = await realpath(join(root, path))
  if (real.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)) return real
  throw new ProviderError(
    'BAD_IMAGE',
    `Cannot read ${path} in ${name}: it is a link out of the layout; copy the image again`,
  )
}

function mustBeFile<T extends { isFile(): boolean }>(found: T, { path, name }: Place): T {
  if (found.isFile()) return found
  throw new ProviderError('BAD_IMAGE', `Cannot read ${path} in ${name}: it is no file; copy the image again`)
}

/** Opened when somebody reads, so that a stream which nobody wants leaves nothing open. */
async function* bytesOf(real: string, place: Place): AsyncIterable<Buffer> {
  // A FIFO would wait for a writer for ever, and a link that came since may lead out.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW
  const file = await open(real, flags).catch((error: unknown) => {
    throw unreadable(place.path, place.name, error)
  })
  try {
    yield* fileBytes(file, mustBeFile(await file.stat(), place).size, { chunk })
  } finally {
    await file.close()
  }
}
