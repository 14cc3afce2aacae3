import { closeSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Holds every file below a store's objects and trees open, so that its inode is not given to another file, and can
 * tell later whether one was written to, wherever it is linked by then.
 */
export function watchInodes(root: string): { check(): void } {
  const files = new Map<string, { descriptor: number; path: string; text: string; mtime: number; mode: number }>()
  for (const area of ['objects', 'trees']) {
    for (const entry of readdirSync(join(root, area), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      const descriptor = openSync(path, 'r')
      const { ino, mtimeMs, mode } = fstatSync(descriptor)
      if (files.has(String(ino))) closeSync(descriptor)
      else files.set(String(ino), { descriptor, path, text: contentOf(descriptor), mtime: mtimeMs, mode })
    }
  }
  if (files.size === 0) throw new Error('There is nothing to watch')
  return {
    check: () => {
      for (const { descriptor, path, text, mtime, mode } of files.values()) {
        const now = fstatSync(descriptor)
        if (contentOf(descriptor) !== text || now.mtimeMs !== mtime || now.mode !== mode) {
          throw new Error(`${path} was written to`)
        }
      }
    },
  }
}

function contentOf(descriptor: number): string {
  // A path, so that each reading begins at the beginning.
  return readFileSync(`/proc/self/fd/${descriptor}`, 'base64')
}
