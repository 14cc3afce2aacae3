import { ByteReader, type SeekableBytes } from './bytes.ts'
import { blockSize, cString, decodeHeader, decodeText, type Header, isZero, type MemberKind } from './header.ts'
import { checkGlobalPax, type Extension, parsePax } from './pax.ts'
import { type ArchiveName, refuseArchive, refuseEntry } from './refuse.ts'

/** A member of a tar, with what the headers before it say of it. */
export interface Member {
  readonly kind: 'file' | 'directory' | 'link' | 'hardlink' | 'node'
  readonly path: string
  readonly target: string
  readonly mode: number
  readonly size: number
  readonly capability: boolean
  /** Where the content begins, in the uncompressed archive. */
  readonly offset: number
  /** The content, to be read before the next member is asked for; what is not read is passed over. */
  readonly body: AsyncIterable<Buffer>
}

/** One header's own data: names and attributes. Go's limit, and more than any path needs. */
const maxHeaderData = 1024 * 1024

/**
 * The members of an uncompressed layer, one at a time and in constant memory; the input waits for who reads. It is
 * read to its last byte, so that a digest over it is complete, and nothing but zeros may follow the end.
 *
 * No npm parser is faithful enough here: they drop sparse files silently, lose binary attributes, or read on after
 * the end of the archive (C-oci, 2.4). Whatever two readers could understand differently is refused.
 *
 * @throws ProviderError LAYER_REFUSED or BAD_IMAGE
 */
export async function* readArchive(
  input: AsyncIterable<Buffer> | SeekableBytes,
  name: ArchiveName,
): AsyncGenerator<Member, void> {
  const reader = new ByteReader(input)
  try {
    for (let pending: Pending = {}; ; ) {
      const header = await nextHeader(reader, name)
      if (header === undefined) {
        if (Object.keys(pending).length > 0) throw refuseArchive(name, 'it ends after an extended header')
        return
      }
      if (isMeta(header.kind)) {
        pending = attempt(name, header.path, await metaData(reader, header, name), (data) => {
          if (header.kind !== 'pax-global') return collect(pending, header.kind, data)
          checkGlobalPax(data)
          return pending
        })
        continue
      }
      const member = complete(header as Plain, pending, name)
      pending = {}
      const end = reader.position + member.size
      yield { ...member, offset: reader.position, body: bodyOf(reader, member.size, name) }
      // Whoever stopped reading early is done with it; the next header comes after the padding.
      const left = end - reader.position
      if ((await reader.skip(left)) < left) throw endsEarly(name, end - reader.position)
      await padding(reader, member.size, name)
    }
  } finally {
    await reader.close()
  }
}

type Plain = Header & { readonly kind: Member['kind'] }

/** What has been said of the next entry, each at most once. */
interface Pending {
  readonly pax?: Extension
  readonly 'long-name'?: string
  readonly 'long-link'?: string
}

function isMeta(kind: MemberKind): boolean {
  return kind === 'pax' || kind === 'pax-global' || kind === 'long-name' || kind === 'long-link'
}

function collect(pending: Pending, kind: MemberKind, data: Buffer): Pending {
  if (kind in pending) throw new SyntaxError('has two headers of one kind')
  return { ...pending, [kind]: kind === 'pax' ? parsePax(data) : decodeText(cString(data)) }
}

function complete(header: Plain, pending: Pending, name: ArchiveName): Omit<Member, 'body' | 'offset'> {
  const { pax = {}, 'long-name': longName, 'long-link': longLink } = pending
  const path = pax.path ?? longName ?? header.path
  const target = pax.target ?? longLink ?? header.target
  const size = pax.size ?? header.size
  if (longName !== undefined && path !== longName) throw refuseEntry(name, path, 'has two different names')
  if (longLink !== undefined && target !== longLink) throw refuseEntry(name, path, 'has two different targets')
  // The format of 1979 had no directories; a slash at the end, of the whole name, says that it is one.
  const kind = header.kind === 'file' && path.endsWith('/') ? 'directory' : header.kind
  // Some readers skip such content, others take it for the next header.
  if (kind !== 'file' && size > 0) throw refuseEntry(name, path, 'is no file and has content')
  return { kind, path, target, mode: header.mode, size, capability: pax.capability === true }
}

/** `undefined` at the end: two blocks of zeros, or, as umoci writes it, just no more bytes. */
async function nextHeader(reader: ByteReader, name: ArchiveName): Promise<Header | undefined> {
  const block = await reader.take(blockSize)
  if (block.length === 0) return undefined
  if (isZero(block)) {
    for await (const bytes of reader.rest()) {
      if (!isZero(bytes)) throw refuseArchive(name, 'there is data after the end of its archive')
    }
    return undefined
  }
  if (block.length < blockSize) throw refuseArchive(name, 'it ends in the middle of a header')
  return attempt(name, cString(block.subarray(0, 100)).toString('latin1'), block, decodeHeader)
}

async function metaData(reader: ByteReader, header: Header, name: ArchiveName): Promise<Buffer> {
  if (header.size > maxHeaderData) throw refuseEntry(name, header.path, 'has a header larger than 1 MiB')
  const data = Buffer.from(await reader.take(header.size))
  if (data.length < header.size) throw refuseArchive(name, 'it ends in the middle of a header')
  await padding(reader, header.size, name)
  return data
}

/** Remembers where it is: a loop over it that stops early leaves the rest for the next one. */
function bodyOf(reader: ByteReader, size: number, name: ArchiveName): AsyncIterable<Buffer> {
  let left = size
  const next = async (): Promise<IteratorResult<Buffer, undefined>> => {
    if (left === 0) return { done: true, value: undefined }
    const value = await reader.some(left)
    if (value === undefined) throw endsEarly(name, left)
    left -= value.length
    return { done: false, value }
  }
  return { [Symbol.asyncIterator]: () => ({ next }) }
}

function endsEarly(name: ArchiveName, missing: number) {
  return refuseArchive(name, `it ends ${missing} bytes before the end of a file`)
}

/** umoci leaves the padding of the last file out; what is there of it counts. */
async function padding(reader: ByteReader, size: number, name: ArchiveName): Promise<void> {
  const count = (blockSize - (size % blockSize)) % blockSize
  const found = (await reader.take(count)).length
  if (found > 0 && found < count) throw refuseArchive(name, 'it ends in the middle of a block')
}

function attempt<In, Out>(name: ArchiveName, path: string, value: In, decode: (value: In) => Out): Out {
  try {
    return decode(value)
  } catch (error) {
    if (error instanceof SyntaxError) throw refuseEntry(name, path, error.message)
    throw error
  }
}
