import { type Digest, hexOf } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { type Probe, parseProbe } from './answer.ts'
import { nameSchema } from './place.ts'
import { runScript } from './script.ts'
import type { StoreTarget } from './store.ts'

export interface ProbeOptions {
  /** `quick` reads only what the file system says has changed; `full` reads every file of the current trees. */
  readonly verify: 'none' | 'quick' | 'full'
  /**
   * What for: a `change` needs the manifests; a `recheck`, after a change was refused, looks at former trees too; a
   * `report` wants to know who changed what. Both say what runs there. Default `change`.
   */
  readonly purpose?: 'change' | 'recheck' | 'report'
  readonly known?: Iterable<Digest>
  /** Manifests to send that no member of the current generation has; objects that their trees lack are missing. */
  readonly give?: Iterable<Digest>
  readonly objects?: Iterable<string>
  /** A generation whose every file is hashed, where `verify` looks at it at all. */
  readonly deep?: number
  readonly signal?: AbortSignal
}

/** Looks at an instance, in one exec and without a lock; once more when pushes have collected meanwhile what it read. */
export async function probe(target: StoreTarget, options: ProbeOptions): Promise<Probe> {
  const asked = [
    ...[...(options.known ?? [])].map((digest) => `known ${hexOf(digest)}\n`),
    ...[...(options.give ?? [])].map((digest) => `give ${hexOf(digest)}\n`),
    ...(options.deep === undefined ? [] : [`deep ${options.deep}\n`]),
    ...[...(options.objects ?? [])].map((object) => `want ${object}\n`),
  ].join('')
  const words = [target.root, target.instance, options.verify, options.purpose ?? 'change']
  const look = () =>
    runScript(target.transport, 'probe', words, {
      stdin: asked,
      sudo: target.sudo,
      ...(options.signal ? { signal: options.signal } : {}),
    })
  const lines = await look().catch((error: unknown) => {
    if (error instanceof ProviderError && error.code === 'STORE_CHANGED') return look()
    throw error
  })
  return parseProbe(lines)
}

/** Names of the instances in a store, sorted. None when there is no store. */
export async function listInstances(
  { transport, root, sudo }: Pick<StoreTarget, 'transport' | 'root' | 'sudo'>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<string[]> {
  const lines = await runScript(transport, 'probe', [root, '-', 'none', 'change'], { sudo, ...options })
  const names = lines.flatMap(([key, name = '']) => (key === 'instance' ? [name] : []))
  return names.filter((name) => nameSchema.safeParse(name).success).sort()
}
