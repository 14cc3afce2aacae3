import { Readable } from 'node:stream'
import { compress } from '../archive/compress.ts'
import { type Member, packTar } from '../archive/pack.ts'
import { type Digest, digestOf, shortDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import type { Content } from './member.ts'
import { type Spool, spool } from './spool.ts'
import { nameTrees, objectMembers, type Trees, treesMembers } from './stream.ts'

/** Objects of a store, by content; the names say with which permissions. */
export type Objects = ReadonlyMap<Digest, ReadonlySet<string>>

/** How a stream to a host is compressed: `cat` is not at all. */
export type Compression = 'zstd' | 'cat'

/** A part of a stream that is the same for every host that lacks the same; made when it is first wanted. */
export interface Pack {
  /** The same for the same content, however it was packed. */
  readonly key: Digest
  /** Of the objects that it brings. */
  readonly names: readonly string[]
  /** All of it, from the first byte; see {@link Spool}. */
  read(): Readable
  /** Resolves when all of it is there. */
  whole(): Spool['whole']
}

/** Gives the pack that has this key; `members` are asked for only when there is none yet. */
export type Packing = (
  named: Pick<Pack, 'key' | 'names'> & { readonly compression: Compression },
  members: () => AsyncIterable<Member> | Iterable<Member>,
) => Pack

/** Each is an open file, and disk that is free again when the process ends. */
const maxKept = 64

/**
 * Packs what hosts lack once for all of them: an image is read, packed and compressed once, into a file, so that neither
 * memory nor the processor's time grow with the hosts.
 *
 * @param folder on a disk that has room for what the hosts of a run lack
 */
export function packing(folder: string): Packing {
  const kept = new Map<string, KeptPack>()
  return ({ key, names, compression }, members) => {
    const name = `${key} ${compression}`
    const found = kept.get(name)
    if (found) return found
    const pack = keptPack(
      { key, names },
      {
        make: () => spool(packed(members(), compression), { folder }),
        // The next who wants it makes it again.
        failed: () => void (kept.get(name) === pack && kept.delete(name)),
      },
    )
    kept.set(name, pack)
    const [oldest] = kept
    if (kept.size > maxKept && oldest) {
      kept.delete(oldest[0])
      oldest[1].close()
    }
    return pack
  }
}

/** @param from.contents gives each object once */
export function packObjects(
  packing: Packing,
  objects: Objects,
  { compression, contents }: { readonly compression: Compression; readonly contents: () => AsyncIterable<Content> },
): Pack {
  const names = [...objects.values()].flatMap((each) => [...each]).sort()
  const members = () => objectMembers(objects, complete(objects, contents()))
  return packing({ key: digestOf(names.join('\n')), names, compression }, members)
}

/** @param from.after the packs of the objects that the host lacks */
export function packTrees(
  packing: Packing,
  trees: Trees,
  { compression, after }: { readonly compression: Compression; readonly after: readonly Pack[] },
): Pack {
  const key = digestOf(JSON.stringify([after.map((pack) => pack.key), nameTrees(trees)]))
  const members = () => treesMembers(trees, new Set(after.flatMap(({ names }) => names)))
  return packing({ key, names: [], compression }, members)
}

interface KeptPack extends Pack {
  close(): void
}

function keptPack(
  named: Pick<Pack, 'key' | 'names'>,
  { make, failed }: { readonly make: () => Promise<Spool>; readonly failed: () => void },
): KeptPack {
  let made: Promise<Spool> | undefined
  let isKept = true
  const end = (one: Promise<Spool>) => {
    if (made === one) made = undefined
    one.then((spool) => spool.close()).catch(() => {})
  }
  const begin = () => {
    if (made) return made
    const making = make()
    made = making
    making
      .then(({ whole }) => whole)
      .catch(() => {
        failed()
        end(making)
      })
    return making
  }
  const chunks = async function* () {
    for (;;) {
      const making = begin()
      const found = await making
      // It may have had to give way to others while we waited for it.
      if (making !== made) continue
      const bytes = found.read()
      if (!isKept) end(making)
      return yield* bytes as AsyncIterable<Buffer>
    }
  }
  return {
    ...named,
    read: () => Readable.from(chunks(), { objectMode: false, highWaterMark: 256 * 1024 }),
    whole: async () => {
      const making = begin()
      const { whole } = await making
      return whole.finally(() => isKept || end(making))
    },
    close: () => {
      isKept = false
      if (made) end(made)
    },
  }
}

function packed(members: AsyncIterable<Member> | Iterable<Member>, compression: Compression): Readable {
  const tar = packTar(members, { isOpen: true })
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
