import { type Digest, digestFromHex, digestOf, hexOf, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { nameSchema } from './place.ts'
import { runScript } from './script.ts'
import type { StoreTarget } from './store.ts'

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

/** Names of the instances in a store, sorted. None when there is no store. */
export async function listInstances(
  { transport, root, sudo }: Pick<StoreTarget, 'transport' | 'root' | 'sudo'>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<string[]> {
  const lines = await runScript(transport, 'probe', [root, '-', 'none'], { sudo, ...options })
  const names = lines.flatMap(([key, name = '']) => (key === 'instance' ? [name] : []))
  return names.filter((name) => nameSchema.safeParse(name).success).sort()
}
