import type { Member as TarMember } from '../archive/pack.ts'
import { type Digest, digestOf, hexOf } from '../model/digest.ts'
import { emptyFile } from '../model/manifest.ts'
import { type Entry, formatManifest, objectName, type Tree } from '../model/tree.ts'
import type { Content } from './member.ts'

/** What a push carries: new objects, then trees that link to them, then the generation, COMPLETE last. */
export interface Transfer {
  readonly transaction: string
  /** Objects to write, by content; the names say with which permissions. */
  readonly objects: ReadonlyMap<Digest, ReadonlySet<string>>
  /** Objects on the host that are damaged and give way. */
  readonly bad: readonly string[]
  readonly trees: ReadonlyMap<string, Tree>
  readonly manifests: readonly Tree[]
  readonly generation: ReadonlyMap<string, { link: string } | { text: string }>
}

export async function* transferMembers(transfer: Transfer, contents: AsyncIterable<Content>): AsyncIterable<TarMember> {
  const stage = `staging/${transfer.transaction}`
  const written = new Set<string>()
  const file = (path: string, text: string): TarMember => {
    const content = Buffer.from(text)
    return { kind: 'file', path: `${stage}/${path}`, size: content.length, executable: false, content }
  }
  yield* directories(stage, ['', 'objects', 'trees', 'manifests', 'generation'])
  const shards = new Set<string>()
  const sums: string[] = []
  for await (const { digest, size, content } of contents) {
    const [first, ...copies] = [...(transfer.objects.get(digest) ?? [])].sort()
    if (first === undefined) continue
    const shard = first.slice(0, 2)
    if (!shards.has(shard)) yield directory(`${stage}/objects/${shard}`)
    shards.add(shard)
    // The same bytes with other permissions are another inode, so they are kept for a moment and sent again.
    const bytes = copies.length > 0 ? Buffer.concat(await Array.fromAsync(content as AsyncIterable<Buffer>)) : content
    for (const name of [first, ...copies]) {
      yield { kind: 'file', path: `${stage}/objects/${name}`, size, executable: name.endsWith('.x'), content: bytes }
      written.add(name)
      sums.push(`${hexOf(digest)}  ${name}\n`)
    }
  }
  yield file('SUMS', sums.join(''))
  yield file('BAD', transfer.bad.map((name) => `${name}\n`).join(''))
  for (const [name, tree] of transfer.trees) yield* treeMembers(`${stage}/trees/${name}`, tree, { stage, written })
  for (const tree of transfer.manifests) {
    const text = formatManifest(tree)
    yield file(`manifests/${hexOf(digestOf(text))}`, text)
  }
  for (const [name, content] of transfer.generation) {
    if ('text' in content) yield file(`generation/${name}`, content.text)
    else yield { kind: 'link', path: `${stage}/generation/${name}`, target: content.link }
  }
  yield file('COMPLETE', `${transfer.transaction}\n`)
}

function* treeMembers(
  at: string,
  tree: Tree,
  from: { stage: string; written: ReadonlySet<string> },
): Iterable<TarMember> {
  yield directory(at)
  const paths = [...tree.keys()].sort()
  for (const path of paths) {
    const entry = tree.get(path) as Entry
    if (entry.kind === 'directory') yield directory(`${at}/${path}`)
    else if (entry.kind === 'link') yield { kind: 'link', path: `${at}/${path}`, target: entry.target }
    else if (entry.digest === emptyFile) {
      // Never an object: thousands of links to one empty inode would meet the file system's limit (ostree #2198).
      yield { kind: 'file', path: `${at}/${path}`, size: 0, executable: entry.executable, content: Buffer.alloc(0) }
    } else {
      const object = objectName(entry)
      const folder = from.written.has(object) ? `${from.stage}/objects` : 'objects'
      yield { kind: 'hardlink', path: `${at}/${path}`, target: `${folder}/${object}` }
    }
  }
}

function* directories(stage: string, names: readonly string[]): Iterable<TarMember> {
  for (const name of names) yield directory(name === '' ? stage : `${stage}/${name}`)
}

function directory(path: string): TarMember {
  return { kind: 'directory', path }
}
