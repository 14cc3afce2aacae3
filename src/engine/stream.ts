import type { Member as TarMember } from '../archive/pack.ts'
import { type Digest, hexOf } from '../model/digest.ts'
import { emptyFile } from '../model/manifest.ts'
import { addParents, type Entry, formatLine, formatManifest, objectName, type Tree, treeDigest } from '../model/tree.ts'
import type { Like } from './like.ts'
import type { Content } from './member.ts'

/** Where a stream is unpacked on a host; whoever holds the lock has it for himself. */
const stage = 'staging/next'

/** New objects, in the order in which their contents come. */
export async function* objectMembers(
  objects: ReadonlyMap<Digest, ReadonlySet<string>>,
  contents: AsyncIterable<Content>,
): AsyncIterable<TarMember> {
  yield* ['staging', stage, `${stage}/objects`].map(directory)
  const shards = new Set<string>()
  for await (const { digest, size, content } of contents) {
    const names = [...(objects.get(digest) ?? [])].sort()
    // The same bytes with other permissions are another inode, so they are kept for a moment and sent again.
    const bytes = names.length > 1 ? Buffer.concat(await Array.fromAsync(content as AsyncIterable<Buffer>)) : content
    for (const name of names) {
      const shard = name.slice(0, 2)
      if (!shards.has(shard)) yield directory(`${stage}/objects/${shard}`)
      shards.add(shard)
      yield { kind: 'file', path: `${stage}/objects/${name}`, size, executable: name.endsWith('.x'), content: bytes }
    }
  }
}

/** A tree that a host is to have; made of another one where there is one that it is like. */
interface Made {
  readonly tree: Tree
  readonly like?: Like | undefined
}

/** What links to the objects that came before: the same for every host that lacks the same. */
export interface Trees {
  readonly trees: readonly (Made & { readonly name: string })[]
  readonly manifests: readonly Made[]
}

/** @param written names of the objects that came before */
export function* treesMembers({ trees, manifests }: Trees, written: ReadonlySet<string>): Iterable<TarMember> {
  yield* ['', '/objects', '/trees', '/manifests', '/like'].map((name) => directory(`${stage}${name}`))
  for (const { name, tree, like } of trees) {
    const own = new Map(like?.came ?? tree)
    for (const path of own.keys()) addParents(own, path)
    yield* treeMembers(`${stage}/trees/${name}`, own, written)
  }
  yield file('LIKE', trees.map(({ name, like }) => (like ? `${name} ${like.name}\n` : '')).join(''))
  for (const { tree, like } of manifests) {
    const name = hexOf(treeDigest(tree))
    yield like ? file(`like/${name}`, recipe(like)) : file(`manifests/${name}`, formatManifest(tree))
  }
}

/** Tells trees apart. */
export function nameTrees({ trees, manifests }: Trees): string {
  const made = ({ tree, like }: Made) => [treeDigest(tree), like && recipe(like)]
  return JSON.stringify([trees.map((one) => [one.name, ...made(one)]), manifests.map(made)])
}

/** What only this host gets, COMPLETE last. */
export interface Transfer {
  readonly transaction: string
  /** Objects on the host that are damaged and give way. */
  readonly bad: readonly string[]
  readonly generation: ReadonlyMap<string, { link: string } | { text: string }>
}

export function* transferMembers({ transaction, bad, generation }: Transfer): Iterable<TarMember> {
  yield* ['', '/generation'].map((name) => directory(`${stage}${name}`))
  yield file('BAD', bad.map((name) => `${name}\n`).join(''))
  for (const [name, content] of generation) {
    if ('text' in content) yield file(`generation/${name}`, content.text)
    else yield { kind: 'link', path: `${stage}/generation/${name}`, target: content.link }
  }
  yield file('COMPLETE', `${transaction}\n`)
}

function file(path: string, text: string): TarMember {
  const content = Buffer.from(text)
  return { kind: 'file', path: `${stage}/${path}`, size: content.length, executable: false, content }
}

/** For `make_of_others` in push.sh: the manifest to begin with, paths that go, lines that come. */
function recipe({ name, gone, came }: Like): string {
  const lines = [
    `=\t${name.slice(0, 64)}`,
    ...gone.map((path) => `-\t${path}`),
    ...[...came].map(([path, entry]) => `+\t${formatLine(path, entry)}`),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

function* treeMembers(at: string, tree: Tree, written: ReadonlySet<string>): Iterable<TarMember> {
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
      const folder = written.has(object) ? `${stage}/objects` : 'objects'
      yield { kind: 'hardlink', path: `${at}/${path}`, target: `${folder}/${object}` }
    }
  }
}

function directory(path: string): TarMember {
  return { kind: 'directory', path }
}
