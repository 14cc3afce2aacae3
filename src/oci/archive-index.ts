import { posix } from 'node:path'
import type { SeekableBytes } from '../archive/bytes.ts'
import { type Member, readArchive } from '../archive/read.ts'
import { refuseEntry } from '../archive/refuse.ts'
import { ProviderError } from '../model/error.ts'
import { parseTreePath } from '../model/tree.ts'
import type { ReadOptions } from './layout-files.ts'

/** Where a file's content lies in the uncompressed archive. */
export interface Place {
  readonly offset: number
  readonly size: number
  /** The first bytes, which tell a compression; all of them where small files are kept. */
  readonly head: Buffer
}

/** What is at a path of an archive. */
export type ArchiveIndex = ReadonlyMap<string, Place | 'directory' | { readonly target: string }>

/** A bundle of a hundred images for two platforms has some 3,000. */
const maxMembers = 20_000
const maxPath = 1024
const maxHops = 8
/** Documents are seldom larger, and a hundred images have 1,000 of them. */
const maxKept = 1024 ** 2
const maxAllKept = 32 * 1024 ** 2
const rebuild = 'make the archive again'

/**
 * Reads an archive's headers. Nothing in it is unpacked, so its links are only followed among its own members; all the
 * same, what could lead out, or mean two things, is refused with the whole archive.
 *
 * @param options.keepSmall whether small files are kept whole, because going back to them would be slow
 */
export async function indexArchive(
  bytes: AsyncIterable<Buffer> | SeekableBytes,
  name: string,
  options: ReadOptions & { readonly keepSmall: boolean },
): Promise<ArchiveIndex> {
  const { keepSmall, signal } = options
  const index = new Map<string, Place | 'directory' | { target: string }>()
  let members = 0
  let kept = 0
  for await (const member of readArchive(bytes, name)) {
    signal?.throwIfAborted()
    members += 1
    if (members > maxMembers)
      throw new ProviderError(
        'LIMIT_EXCEEDED',
        `Cannot use ${name}: it has more than ${maxMembers} members; copy the images into several archives`,
      )
    const path = within(member.path, member, name)
    if (member.kind === 'directory' && (path === '' || (index.get(path) ?? 'directory') === 'directory')) {
      index.set(path, 'directory')
      continue
    }
    // Which of two is meant depends on who reads.
    if (path === '' || index.has(path)) throw refuseEntry(name, member.path, 'is there twice', rebuild)
    const isKept = keepSmall && member.size <= maxKept && kept + member.size <= maxAllKept
    kept += isKept ? member.size : 0
    index.set(
      path,
      member.kind === 'file'
        ? await placeOf(member, isKept ? member.size : 4)
        : { target: targetOf(member, path, name) },
    )
  }
  return index
}

async function placeOf({ offset, size, body }: Member, count: number): Promise<Place> {
  const chunks: Buffer[] = []
  let read = 0
  if (count > 0)
    for await (const chunk of body) {
      chunks.push(Buffer.from(chunk.subarray(0, count - read)))
      read += chunk.length
      if (read >= count) break
    }
  return { offset, size, head: Buffer.concat(chunks) }
}

function targetOf(member: Member, path: string, name: string): string {
  if (member.kind === 'node') throw refuseEntry(name, member.path, 'is a device or a FIFO', rebuild)
  if (member.target.startsWith('/')) throw refuseEntry(name, member.path, 'is a link out of the archive', rebuild)
  // A symbolic link starts at its folder, a hard link at the top.
  return within(member.kind === 'link' ? posix.join(posix.dirname(path), member.target) : member.target, member, name)
}

function within(text: string, member: Member, name: string): string {
  if (text.length > maxPath) throw refuseEntry(name, text, `has a name longer than ${maxPath} characters`, rebuild)
  try {
    return parseTreePath(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const why = text === member.path ? error.message : 'is a link out of the archive'
    throw refuseEntry(name, member.path, why, rebuild)
  }
}

/** The file at a path, links followed: `docker save` shares layers by `ID/layer.tar -> ../ID/layer.tar`. */
export function findPlace(index: ArchiveIndex, path: string, name: string): Place | undefined {
  let at = path
  for (let hop = 0; hop <= maxHops; hop += 1) {
    const found = index.get(at)
    if (found === undefined) return undefined
    if (found === 'directory') throw refuseEntry(name, at, 'is a folder', rebuild)
    if ('size' in found) return found
    at = found.target
  }
  throw refuseEntry(name, path, `is a link to a link, more than ${maxHops} times`, rebuild)
}
