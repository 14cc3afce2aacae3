import { mkdirSync, watch } from 'node:fs'
import { join } from 'node:path'

/** How often a controller did what is done once for all hosts. */
export interface Made {
  /** Downloaded and proven. */
  blobs: number
  /** Layers unpacked and read. */
  unpacked: number
  /** Images flattened. */
  flattened: number
  /** Files of what hosts lack alike, packed and compressed. */
  packs: number
}

/** Counts what comes into a controller's cache, whoever puts it there: the kernel tells (inotify). Begins with an empty one. */
export function watchCache(folder: string): { made(): Made; stop(): void } {
  // A name comes once, by the rename that brings it into being; of a pack's folder, the same name goes again.
  const names = { blobs: [] as string[], unpacked: [] as string[], flattened: [] as string[] }
  const packs = new Set<string>()
  const on = (path: string, pattern: RegExp, hear: (name: string) => void) => {
    mkdirSync(join(folder, path), { recursive: true })
    return watch(join(folder, path), (event, name) => event === 'rename' && name && pattern.test(name) && hear(name))
  }
  const watchers = [
    on('blobs/sha256', /^[0-9a-f]{64}$/, (name) => names.blobs.push(name)),
    on('derived/unpacked-v1', /^[0-9a-f]{64}$/, (name) => names.unpacked.push(name)),
    on('derived/flat-v1', /^[0-9a-f]{64}\.json$/, (name) => names.flattened.push(name)),
    on('', /^pack-/, (name) => packs.add(name)),
  ]
  return {
    made: () => ({
      blobs: names.blobs.length,
      unpacked: names.unpacked.length,
      flattened: names.flattened.length,
      packs: packs.size,
    }),
    stop: () => {
      for (const one of watchers) one.close()
    },
  }
}
