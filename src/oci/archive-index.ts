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
  /** The first bytes, which tell a compression. */
  readonly head: Buffer
}

/** What is at a path of an archive. */
export type ArchiveIndex = ReadonlyMap<string, Place | 'directory' | { readonly target: string }>

/** A bundle of a hundred images for two platforms has some 3,000. */
const maxMembers = 20_000
const maxPath = 1024
const maxHops = 8
const rebuild = 'make the archive again'

/**
 * Reads an archive's headers. Nothing in it is unpacked, so its links are only followed among its own members; all the
 * same, what could lead out, or mean two things, is refused with the whole archive.
 */
export async function indexArchive(
  bytes: AsyncIterable<Buffer> | SeekableBytes,
  name: string,
  options: ReadOptions,
): Promise<ArchiveIndex> {
  const index = new Map<string, Place | 'directory' | { target: string }>()
  let members = 0
  for await (const member of readArchive(bytes, name)) {
    options.signal?.throwIfAborted()
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
    index.set(path, await toPlace(member, path, name))
  }
  return index
}

async function toPlace(member: Member, path: string, name: string): Promise<Place | { target: string }> {
  if (member.kind === 'file') return { offset: member.offset, size: member.size, head: await headOf(member.body) }
  if (member.kind === 'node') throw refuseEntry(name, member.path, 'is a device or a FIFO', rebuild)
  // A symbolic link starts at its folder, a hard link at the top.
  const target = member.kind === 'link' ? posix.join(posix.dirname(path), member.target) : member.target
  if (member.target.startsWith('/')) throw refuseEntry(name, member.path, 'is a link out of the archive', rebuild)
  return { target: within(target, member, name) }
}

async function headOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  let head = Buffer.alloc(0)
  for await (const chunk of body) {
    head = Buffer.concat([head, chunk.subarray(0, 4)])
    if (head.length >= 4) break
  }
  return head.subarray(0, 4)
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
