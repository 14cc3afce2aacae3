import { ProviderError } from '../model/error.ts'
import type { Entry } from '../model/tree.ts'

export type Leaf = {
  readonly kind: 'leaf'
  readonly entry: Exclude<Entry, { kind: 'directory' }>
  readonly layer: number
}

/** A directory while layers are applied, without a file system. */
export interface Directory {
  readonly kind: 'directory'
  readonly children: Map<string, Directory | Leaf>
  /** The last layer that wrote it or something in it; whiteouts hide only what no entry of their layer touched. */
  layer: number
  /** The last layer that emptied it; what is in it since then is of that layer. */
  pruned: number
}

export function newDirectory(layer: number): Directory {
  return { kind: 'directory', children: new Map(), layer, pruned: 0 }
}

// Linux follows 40; umoci, containerd and the Go libraries 255.
const maxLinks = 255
const maxDepth = 256
const maxMade = 300_000
// A link of 4,095 bytes has 2,047 parts, and a path can meet 255 of them; real images need ten steps an entry.
const maxSteps = 50_000_000

/** Walks from the root of an image; links are followed inside it, and `..` stays at the root, as in a chroot. */
export class Walker {
  readonly root: Directory = newDirectory(0)
  #steps = 0
  #made = 0

  /** @returns `undefined` when there is no such directory */
  find(parts: readonly string[]): Directory | undefined {
    return this.#walk(parts, undefined)
  }

  /**
   * {@link find}, but makes what is missing and marks the way as written by `layer`.
   *
   * @returns `undefined` when a file is in the way, or links go round in a circle
   */
  make(parts: readonly string[], layer: number): Directory | undefined {
    return this.#walk(parts, layer)
  }

  #walk(parts: readonly string[], layer: number | undefined): Directory | undefined {
    const open = parts.toReversed()
    let way: Directory[] = [this.root]
    // Below the last directory that is there. `x/../a` is `a` also when there is no x, as for SecureJoin.
    let missing: string[] = []
    let links = 0
    for (let part = open.pop(); part !== undefined; part = open.pop()) {
      this.#steps += 1
      if (this.#steps > maxSteps) throw exceeded('its links lead through too many directories')
      if (part === '' || part === '.') continue
      if (part === '..') {
        if (missing.pop() === undefined && way.length > 1) way.pop()
        continue
      }
      if (way.length + missing.length > maxDepth) throw exceeded(`links make it more than ${maxDepth} levels deep`)
      const child = missing.length > 0 ? undefined : way.at(-1)?.children.get(part)
      if (child === undefined) missing.push(part)
      else if (child.kind === 'directory') way.push(child)
      else {
        links += 1
        if (child.entry.kind !== 'link' || links > maxLinks) return undefined
        if (child.entry.target.startsWith('/')) {
          way = [this.root]
          missing = []
        }
        open.push(...child.entry.target.split('/').toReversed())
      }
    }
    if (layer === undefined) return missing.length > 0 ? undefined : way.at(-1)
    for (const name of missing) way.push(this.#makeIn(way.at(-1) as Directory, name, layer))
    for (const directory of way) directory.layer = layer
    return way.at(-1)
  }

  #makeIn(directory: Directory, name: string, layer: number): Directory {
    this.#made += 1
    if (this.#made > maxMade) throw exceeded(`it has more than ${maxMade} directories that no entry names`)
    const made = newDirectory(layer)
    directory.children.set(name, made)
    return made
  }
}

function exceeded(why: string): ProviderError {
  return new ProviderError('LIMIT_EXCEEDED', `Cannot flatten the layers of an image: ${why}; the image is forged`)
}
