import { Readable } from 'node:stream'
import { Header, Pax } from 'tar'

/** What our canonical tar holds; paths are relative and already proven. */
export type Member =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 'file'
      readonly path: string
      readonly size: number
      readonly executable: boolean
      /** Read when its turn comes; must give `size` bytes. */
      readonly content: AsyncIterable<Uint8Array> | Uint8Array
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'hardlink'; readonly path: string; readonly target: string }

const chunkSize = 256 * 1024
const types = { directory: 'Directory', file: 'File', link: 'SymbolicLink', hardlink: 'Link' } as const
const modes = { directory: 0o755, file: 0o444, link: 0o777, hardlink: 0o444 } as const
const modified = new Date(1000)

/**
 * Writes members in their order: owner 0:0, one time, normal permissions. The same members give the same bytes.
 *
 * @param options.isOpen leaves the end of the archive out, so that another one can follow
 */
export function packTar(
  members: AsyncIterable<Member> | Iterable<Member>,
  options: { readonly isOpen?: boolean } = {},
): Readable {
  return Readable.from(batched(blocks(members, options)), { objectMode: false, highWaterMark: chunkSize })
}

async function* blocks(
  members: AsyncIterable<Member> | Iterable<Member>,
  { isOpen = false }: { readonly isOpen?: boolean },
): AsyncIterable<Uint8Array> {
  for await (const member of members) {
    yield* header(member)
    if (member.kind !== 'file') continue
    let size = 0
    for await (const chunk of member.content instanceof Uint8Array ? [member.content] : member.content) {
      size += chunk.length
      yield chunk
    }
    if (size !== member.size)
      throw new RangeError(`Cannot pack "${member.path}": ${member.size} bytes announced, ${size} came`)
    if (size % 512 !== 0) yield Buffer.alloc(512 - (size % 512))
  }
  if (!isOpen) yield Buffer.alloc(1024)
}

function* header(member: Member): Iterable<Uint8Array> {
  const fields = {
    path: member.kind === 'directory' ? `${member.path}/` : member.path,
    type: types[member.kind],
    mode: member.kind === 'file' && member.executable ? 0o555 : modes[member.kind],
    size: member.kind === 'file' ? member.size : 0,
    uid: 0,
    gid: 0,
    mtime: modified,
    ...('target' in member ? { linkpath: member.target } : {}),
  }
  const block = Buffer.alloc(512)
  const made = new Header(fields)
  if (made.encode(block, 0)) {
    yield new Pax({
      path: fields.path,
      ...('linkpath' in fields ? { linkpath: fields.linkpath as string } : {}),
      size: fields.size,
    }).encode()
  }
  yield block
}

/** Thousands of 512-byte writes would cost more than the bytes themselves. */
async function* batched(parts: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  let pending: Uint8Array[] = []
  let size = 0
  for await (const part of parts) {
    pending.push(part)
    size += part.length
    if (size >= chunkSize) {
      yield Buffer.concat(pending)
      pending = []
      size = 0
    }
  }
  if (size > 0) yield Buffer.concat(pending)
}
