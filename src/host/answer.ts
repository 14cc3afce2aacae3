import { type Digest, digestFromHex, digestOf, hexOf, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'

/** A line of a manifest that a tree does not meet (`want`), or that it holds instead (`have`). */
export interface Deviation {
  readonly side: 'want' | 'have'
  readonly path: string
  readonly kind: string
  readonly mode: string
  readonly value: string
}

/** A library that servers map, though it is gone or of a former generation. */
interface Mapped {
  readonly tree: string
  readonly path: string
  readonly state: string
  /** Of the processes, separated by commas. */
  readonly pids: string
}

/** What a host says of one instance. */
export interface Probe {
  readonly machine: string
  /** There is no tree in the store, if there is one, so that all objects are missing. */
  readonly isEmpty: boolean
  readonly compression: 'zstd' | 'gzip' | 'cat'
  /** 0 when the instance is not there, or its link `current` leads astray. */
  readonly generation: number
  /** The generation that `record` and all else is about: the current one, or the last that was. */
  readonly shown: number
  /** The highest number ever given, so that a new one is new even after going back. */
  readonly last: number
  readonly record: string | undefined
  /** Records of the generations that were current before and are still there, by their numbers. */
  readonly kept: ReadonlyMap<number, string>
  /** Manifests of the shown generation's members that the caller did not know; for a report, only if there is drift. And those asked for. */
  readonly manifests: ReadonlyMap<Digest, string>
  /** Those of these members that the caller did know, and that are there. */
  readonly held: ReadonlySet<Digest>
  readonly trees: readonly { readonly generation: number; readonly role: string; readonly name: string }[]
  /** By tree. */
  readonly deviations: ReadonlyMap<string, readonly Deviation[]>
  /** How many more files were added to a tree than are told. */
  readonly more: ReadonlyMap<string, number>
  /** Links and files of the instance's own, by their paths in the store. */
  readonly store: readonly Deviation[]
  /** Objects that are not what their names say, and manifests (`manifests/<hex>`). */
  readonly bad: ReadonlySet<string>
  readonly missing: ReadonlySet<string>
  /** Trees whose metadata had changed while all content is right, so that it was recorded anew. */
  readonly renewed: readonly { readonly tree: string; readonly files: number; readonly copies: number }[]
  /** Postmasters: since when (seconds since 1970), from which tree. */
  readonly running: readonly { readonly pid: number; readonly since: number; readonly tree: string }[]
  /** Current root trees of the store's other instances. */
  readonly elsewhere: ReadonlySet<string>
  readonly mapped: readonly Mapped[]
  /** By path in a tree. */
  readonly packages: ReadonlyMap<string, string>
}

/** @param lines of the verb `probe`, split at tabs */
export function parseProbe(lines: readonly (readonly string[])[]): Probe {
  const one = new Map<string, string>()
  const all = new Map<string, string[][]>()
  const manifests = new Map<Digest, string>()
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
    if (key === 'manifest' && isDigest(`sha256:${fields[0]}`)) open = { hex: fields[0] ?? '', text: [] }
    const former = all.get(key)
    if (former) former.push(fields)
    else all.set(key, [fields])
    one.set(key, fields.join('\t'))
  }
  closeManifest()
  const each = (key: string) => all.get(key) ?? []
  const names = (key: string) => new Set(each(key).map(([name = '']) => name))
  const generation = number(one.get('generation'))
  return {
    machine: one.get('machine') ?? '',
    isEmpty: one.get('empty') !== undefined,
    compression: one.get('zstd') === 'yes' ? 'zstd' : one.get('gzip') === 'yes' ? 'gzip' : 'cat',
    generation,
    shown: number(one.get('shown')),
    last: Math.max(generation, number(one.get('last'))),
    record: one.get('record'),
    kept: new Map(each('kept').map(([of, ...record]) => [number(of), record.join('\t')])),
    manifests,
    held: new Set(each('held').flatMap(([hex = '']) => (isDigest(`sha256:${hex}`) ? [digestFromHex(hex)] : []))),
    trees: each('tree').map(([of, role = '', name = '']) => ({ generation: number(of), role, name })),
    deviations: deviationsByTree(each('check')),
    more: new Map(
      each('check').flatMap(([tree = '', side, count]) => (side === 'more' ? [[tree, number(count)]] : [])),
    ),
    store: each('store').flatMap(deviation),
    bad: names('bad'),
    missing: names('missing'),
    renewed: each('renewed').map(([tree = '', files, copies]) => ({
      tree,
      files: number(files),
      copies: number(copies),
    })),
    running: each('running').map(([pid, since, tree = '']) => ({ pid: number(pid), since: number(since), tree })),
    elsewhere: names('elsewhere'),
    mapped: each('mapped').map(([tree = '', path = '', state = '', pids = '']) => ({ tree, path, state, pids })),
    packages: new Map(each('package').map(([path = '', name = '']) => [path, name])),
  }
}

function deviationsByTree(lines: readonly (readonly string[])[]): Map<string, Deviation[]> {
  const result = new Map<string, Deviation[]>()
  for (const [tree = '', ...fields] of lines) {
    const found = deviation(fields)
    const former = result.get(tree)
    if (former) former.push(...found)
    else if (found.length > 0) result.set(tree, found)
  }
  return result
}

function deviation([side, path = '', kind = '', mode = '', ...value]: readonly string[]): Deviation[] {
  return side === 'want' || side === 'have' ? [{ side, path, kind, mode, value: value.join('\t') }] : []
}

function number(text: string | undefined): number {
  const value = Number(text || 0)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new ProviderError('HOST_REFUSED', 'Cannot read the answer of the host: where a number should be, there is none')
}
