import type { Readable } from 'node:stream'
import { type Digest, digestFromHex, digestOf, hexOf, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { runScript } from './script.ts'
import type { Transport } from './transport.ts'

/** Where a store is and who asks. */
export interface StoreTarget {
  readonly transport: Transport
  readonly sudo: boolean
  /** Absolute folder of the store on the host. */
  readonly root: string
  readonly instance: string
  /** How many seconds to wait for the lock, and the name to hold it under. */
  readonly lockWait: number
  readonly holder: string
}

/** A line of a manifest that a tree does not meet (`want`), or that it holds instead (`have`). */
export interface Deviation {
  readonly side: 'want' | 'have'
  readonly path: string
  readonly kind: string
  readonly mode: string
  readonly value: string
}

export interface Probe {
  readonly machine: string
  readonly compression: 'zstd' | 'gzip' | 'cat'
  /** 0 when the instance is not there. */
  readonly generation: number
  /** The highest number ever given, so that a new one is new even after going back. */
  readonly last: number
  readonly record: string | undefined
  /** Manifests of the current generation's members that the caller did not know. */
  readonly manifests: ReadonlyMap<Digest, string>
  readonly trees: readonly { readonly generation: number; readonly role: string; readonly name: string }[]
  readonly deviations: ReadonlyMap<string, readonly Deviation[]>
  readonly missing: ReadonlySet<string>
}

export async function probe(
  target: StoreTarget,
  options: {
    readonly verify: 'none' | 'quick' | 'full'
    readonly known?: Iterable<Digest>
    readonly objects?: Iterable<string>
    readonly signal?: AbortSignal
  },
): Promise<Probe> {
  const asked = [
    ...[...(options.known ?? [])].map((digest) => `known ${hexOf(digest)}\n`),
    ...[...(options.objects ?? [])].map((object) => `want ${object}\n`),
  ].join('')
  const lines = await runScript(target.transport, 'probe', [target.root, target.instance, options.verify], {
    stdin: asked,
    sudo: target.sudo,
    ...(options.signal ? { signal: options.signal } : {}),
  })
  const one = new Map<string, string>()
  const manifests = new Map<Digest, string>()
  const trees: { generation: number; role: string; name: string }[] = []
  const deviations = new Map<string, Deviation[]>()
  const missing = new Set<string>()
  let open: { hex: string; text: string[] } | undefined
  const closeManifest = () => {
    if (open === undefined) return
    const text = open.text.join('')
    // The host cannot lie about a manifest: its name is its hash.
    if (hexOf(digestOf(text)) === open.hex) manifests.set(digestFromHex(open.hex), text)
    open = undefined
  }
  for (const [key = '', ...fields] of lines) {
    if (key === 'm') {
      open?.text.push(`${fields.join('\t')}\n`)
      continue
    }
    closeManifest()
    const [first = '', second = '', third = ''] = fields
    if (key === 'manifest' && isDigest(`sha256:${first}`)) open = { hex: first, text: [] }
    else if (key === 'missing') missing.add(first)
    else if (key === 'tree') trees.push({ generation: Number(first), role: second, name: third })
    else if (key === 'check') addDeviation(deviations, fields)
    else one.set(key, fields.join('\t'))
  }
  closeManifest()
  const generation = number(one.get('generation'))
  return {
    machine: one.get('machine') ?? '',
    compression: one.get('zstd') === 'yes' ? 'zstd' : one.get('gzip') === 'yes' ? 'gzip' : 'cat',
    generation,
    last: Math.max(generation, number(one.get('last'))),
    record: one.get('record'),
    manifests,
    trees,
    deviations,
    missing,
  }
}

function addDeviation(deviations: Map<string, Deviation[]>, fields: readonly string[]): void {
  const [tree = '', side = '', path = '', kind = '', mode = '', ...value] = fields
  if (side !== 'want' && side !== 'have') return
  const list = deviations.get(tree) ?? []
  list.push({ side, path, kind, mode, value: value.join('\t') })
  deviations.set(tree, list)
}

function number(text: string | undefined): number {
  const value = Number(text || 0)
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new ProviderError('HOST_REFUSED', 'Cannot read the answer of the host: a generation is no number')
  }
  return value
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
}

/** Resolving means that the generation `next` is current, complete and on the disk. */
export async function push(target: StoreTarget, change: Push, options: { signal?: AbortSignal } = {}): Promise<void> {
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
  ]
  await runScript(target.transport, 'push', words, { stdin: change.stream, sudo: target.sudo, ...options })
}

/** Resolving means that the instance is gone, and whatever only it used. */
export async function remove(
  target: StoreTarget,
  expected: number,
  options: { signal?: AbortSignal } = {},
): Promise<void> {
  const words = [target.root, target.instance, String(expected), String(target.lockWait), target.holder]
  await runScript(target.transport, 'remove', words, { sudo: target.sudo, ...options })
}
