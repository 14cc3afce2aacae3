import type { Readable } from 'node:stream'
import { compress } from '../archive/compress.ts'
import { packTar } from '../archive/pack.ts'
import { type Digest, digestOf, shortDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { byBytes } from '../model/tree.ts'
import type { Content } from './member.ts'
import { type Spool, spool } from './spool.ts'
import { objectMembers } from './stream.ts'

/** Objects of a store, by content; the names say with which permissions. */
export type Objects = ReadonlyMap<Digest, ReadonlySet<string>>

/** How a stream to a host is compressed: `cat` is not at all. */
export type Compression = 'zstd' | 'cat'

/** The part of a stream that is the same for every host that lacks the same objects. */
export interface Pack extends Pick<Spool, 'read' | 'whole'> {
  /** Of the names of its objects, which are the digests of their contents: the same, however it was packed. */
  readonly key: Digest
  /** Tells that whoever asked for it will not read it any more. */
  release(): void
}

/** Brings objects into a pack; `contents` gives each of them once, and is read only when there is no such pack yet. */
export type Packing = (
  objects: Objects,
  from: { readonly compression: Compression; readonly contents: () => AsyncIterable<Content> },
) => Promise<Pack>

/** Each is an open file, and disk that is free again when the process ends. */
const maxKept = 64

/**
 * Packs objects once for all hosts that lack them: an image is read, packed and compressed once, into a file, so that
 * neither memory nor the processor's time grow with the hosts.
 *
 * @param folder on a disk that has room for what the hosts of a run lack
 */
export function packing(folder: string): Packing {
  const kept = new Map<string, Promise<Spool>>()
  return async (objects, { compression, contents }) => {
    const key = digestOf(
      [...objects.values()]
        .flatMap((names) => [...names])
        .sort(byBytes)
        .join('\n'),
    )
    const name = `${key} ${compression}`
    const found = kept.get(name) ?? spool(packed(objects, { compression, contents }), { folder })
    kept.set(name, found)
    // Held at once, because the next packs may crowd this one out before anybody reads it.
    const { read, whole, close, release } = await found.then(
      (one) => ({ ...one, release: one.hold() }),
      (error: unknown) => {
        kept.delete(name)
        throw error
      },
    )
    // The next who wants it makes it again.
    whole.catch(() => {
      if (kept.get(name) === found) kept.delete(name)
      close()
    })
    const [oldest] = kept
    if (kept.size > maxKept && oldest) {
      kept.delete(oldest[0])
      oldest[1].then((one) => one.close())
    }
    return { key, read, whole, release }
  }
}

function packed(objects: Objects, { compression, contents }: Parameters<Packing>[1]): Readable {
  const tar = packTar(objectMembers(objects, complete(objects, contents())), { isOpen: true })
  return compression === 'zstd' ? compress(tar) : tar
}

async function* complete(objects: Objects, contents: AsyncIterable<Content>): AsyncIterable<Content> {
  const open = new Set(objects.keys())
  for await (const content of contents) {
    open.delete(content.digest)
    yield content
  }
  const [first] = open
  if (first === undefined) return
  throw new ProviderError('BAD_IMAGE', `Cannot find the content ${shortDigest(first)} in any declared image`)
}
