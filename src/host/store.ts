import type { Readable } from 'node:stream'
import { type Digest, hexOf } from '../model/digest.ts'
import { type Freed, parseFreed } from './freed.ts'
import { runScript } from './script.ts'
import type { Sudo } from './sudo.ts'
import type { Transport } from './transport.ts'

/** Where a store is and who asks. */
export interface StoreTarget {
  readonly transport: Transport
  readonly sudo: Sudo
  /** Absolute folder of the store on the host. */
  readonly root: string
  readonly instance: string
  /** How many seconds to wait for the lock, and the name to hold it under. */
  readonly lockWait: number
  readonly holder: string
  /** Takes a line for people, at once and every minute, while another holds the lock. */
  readonly tell?: ((line: string) => void) | undefined
}

export interface Push {
  readonly transaction: string
  /** The generation this change was computed from. */
  readonly expected: number
  readonly next: number
  /** Key of the distribution: its live link's name. */
  readonly distribution: string
  readonly compression: 'zstd' | 'gzip' | 'cat'
  readonly kilobytes: number
  readonly inodes: number
  readonly stream: Readable
  /** What the host fetches elsewhere, and unpacks before the stream; compressed in the same way. */
  readonly remotes: readonly Remote[]
}

/** Bytes that a host may have from a registry near it. */
export interface Remote {
  readonly url: URL
  readonly digest: Digest
  readonly size: number
  /** Of an anonymous login, which anybody gets. */
  readonly authorization?: string | undefined
}

/**
 * Resolving means that the generation `next` is current, complete and on the disk; and says what was freed.
 *
 * @throws ProviderError RELAY_FAILED when a remote could not be had or is not what it should be, and nothing was changed
 */
export async function push(
  target: StoreTarget,
  change: Push,
  options: { signal?: AbortSignal } = {},
): Promise<Freed | undefined> {
  const words = [
    target.root,
    target.instance,
    change.transaction,
    String(change.expected),
    String(change.next),
    change.distribution,
    change.compression,
    String(change.kilobytes),
    String(change.inodes),
    String(target.lockWait),
    target.holder,
    change.remotes.map(lineOf).join('\n'),
  ]
  return parseFreed(
    await runScript(target.transport, 'push', words, {
      stdin: change.stream,
      ...common(target),
      ...options,
    }),
  )
}

const lineOf = ({ url, digest, size, authorization = '' }: Remote) =>
  `${url.href} ${hexOf(digest)} ${size} ${authorization}`

/** Resolving means that the instance is gone, and whatever only it used; and says what was freed. */
export async function remove(
  target: StoreTarget,
  expected: number,
  options: { signal?: AbortSignal } = {},
): Promise<Freed | undefined> {
  const words = [target.root, target.instance, String(expected), String(target.lockWait), target.holder]
  return parseFreed(await runScript(target.transport, 'remove', words, { ...common(target), ...options }))
}

function common({ sudo, lockWait, tell }: StoreTarget) {
  return { sudo, waiting: tell && { limit: lockWait, tell } }
}
