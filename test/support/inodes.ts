import { createHash } from 'node:crypto'
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Watched {
  /** Written to or changed in mode, wherever they are linked by now: one line each. */
  findWritten(): string[]
  /** Lets go of the files; nothing is found any more. */
  release(): void
}

/** Holds every file below a store's objects and trees open, so that its inode is not given to another file. */
export function watchInodes(root: string): Watched {
  const files = new Map<string, { descriptor: number; path: string; text: string; mtime: number; mode: number }>()
  for (const area of ['objects', 'trees'].filter((one) => existsSync(join(root, one)))) {
    for (const entry of readdirSync(join(root, area), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      const descriptor = openSync(path, 'r')
      const { ino, mtimeMs, mode } = fstatSync(descriptor)
      if (files.has(String(ino))) closeSync(descriptor)
      else files.set(String(ino), { descriptor, path, text: contentOf(descriptor), mtime: mtimeMs, mode })
    }
  }
  return {
    findWritten: () =>
      [...files.values()].flatMap(({ descriptor, path, text, mtime, mode }) => {
        const now = fstatSync(descriptor)
        const isSame = contentOf(descriptor) === text && now.mtimeMs === mtime && now.mode === mode
        return isSame ? [] : [`${path} was written to`]
      }),
    release: () => {
      for (const { descriptor } of files.values()) closeSync(descriptor)
      files.clear()
    },
  }
}

function contentOf(descriptor: number): string {
  // A path, so that each reading begins at the beginning.
  return createHash('sha256')
    .update(readFileSync(`/proc/self/fd/${descriptor}`))
    .digest('hex')
}
