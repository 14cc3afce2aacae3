import type { ArchiveName } from '../archive/refuse.ts'
import { ProviderError } from '../model/error.ts'

/** What an image may cost us, over all its layers. */
export interface Limits {
  readonly entries: number
  /** Of all files' content. */
  readonly bytes: number
  /** Of all paths and link targets, which are kept in memory. */
  readonly names: number
  /** Of the layers themselves: zeros behind their end, and headers that nothing uses, take time as well. */
  readonly unpacked: number
}

/** A distribution has 14,000 entries, 500 MB and 1 MB of names; a full operating system has ten times that. */
const imageLimits: Limits = {
  entries: 300_000,
  bytes: 8 * 1024 ** 3,
  names: 64 * 1024 ** 2,
  unpacked: 10 * 1024 ** 3,
}

/** Counts what the layers of one image take, so that many small layers cannot do what a large one may not. */
export class Budget {
  #left: Limits
  readonly #limits: Limits

  constructor(limits: Limits = imageLimits) {
    this.#limits = limits
    this.#left = limits
  }

  /** @throws ProviderError LIMIT_EXCEEDED before anything of the entry was read */
  take(entry: { path: string; target: string; size: number }, name: ArchiveName): void {
    this.#left = {
      ...this.#left,
      entries: this.#left.entries - 1,
      bytes: this.#left.bytes - entry.size,
      names: this.#left.names - Buffer.byteLength(entry.path) - Buffer.byteLength(entry.target),
    }
    const { entries, bytes, names } = this.#limits
    if (this.#left.entries < 0) throw exceeded(name, `more than ${entries} entries`)
    if (this.#left.bytes < 0) throw exceeded(name, `files of more than ${bytes} bytes`)
    if (this.#left.names < 0) throw exceeded(name, `names of more than ${names} bytes`)
  }

  /** @throws ProviderError LIMIT_EXCEEDED */
  unpack(bytes: number, name: ArchiveName): void {
    this.#left = { ...this.#left, unpacked: this.#left.unpacked - bytes }
    if (this.#left.unpacked < 0) throw exceeded(name, `archives of more than ${this.#limits.unpacked} bytes`)
  }
}

function exceeded(name: ArchiveName, what: string): ProviderError {
  return new ProviderError(
    'LIMIT_EXCEEDED',
    `Cannot use ${name}: up to it, the image holds ${what}; build a smaller image, with Postgres and little else`,
  )
}
