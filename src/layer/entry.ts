import type { Member } from '../archive/read.ts'
import { type ArchiveName, refuseEntry } from '../archive/refuse.ts'
import type { Digest } from '../model/digest.ts'
import { nameOf, parentOf, parseTreePath } from '../model/tree.ts'

interface FileEntry {
  readonly kind: 'file'
  readonly path: string
  readonly digest: Digest
  readonly size: number
  readonly executable: boolean
}

/** One member of a layer's tar, normalised and checked, in the layer's order. Contents are hashed, not kept. */
export type LayerEntry =
  | FileEntry
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'hardlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'whiteout'; readonly path: string }
  | { readonly kind: 'opaque'; readonly path: string }

/** A file whose content has not been read yet. */
export type UnreadEntry = Exclude<LayerEntry, FileEntry> | Omit<FileEntry, 'digest'>

/**
 * What becomes of special files. Nothing of it ever reaches a host, because our trees hold neither owners nor
 * special bits, attributes or devices. But an extension that brings them wants something it will not get, so it is
 * refused (`refuse`); an operating system with Postgres in it has them for programs that Postgres does not need
 * (`su`, `ping`, `/dev/null`), and loses them (`strip`).
 */
export type Special = 'refuse' | 'strip'

// The unit of a distribution mounts its own /dev and /run; elsewhere a device or a FIFO would be missed by somebody.
const mounted = /^(?:dev|run)\//

/**
 * The meaning of a member in a layer (image-spec, layer.md), or `undefined` for what has none: the root itself, and
 * stripped nodes.
 *
 * @throws ProviderError LAYER_REFUSED
 */
export function toEntry(member: Member, special: Special, name: ArchiveName): UnreadEntry | undefined {
  const path = pathOf(() => memberPath(member.path), member, name)
  if (path === '' && member.kind !== 'directory') throw refuseEntry(name, member.path, 'is the root and no directory')
  const last = nameOf(path)
  // umoci takes such a directory for a whiteout, others for a directory; nobody makes one (layer.md, "Whiteouts").
  if (last.startsWith('.wh.') && member.kind === 'directory')
    throw refuseEntry(name, path, 'is a directory with the name of a whiteout')
  if (last.startsWith('.wh.')) return whiteout(path, last, name)
  if (path.includes('.wh.') && path.split('/').some((part) => part.startsWith('.wh.')))
    throw refuseEntry(name, path, 'lies in a directory with the name of a whiteout')
  switch (member.kind) {
    case 'directory':
      return path === '' ? undefined : { kind: 'directory', path }
    case 'link':
      return { kind: 'link', path, target: linkTarget(member, name) }
    case 'hardlink':
      return {
        kind: 'hardlink',
        path,
        target: pathOf(() => parseTreePath(member.target), member, name, 'is a hardlink whose target '),
      }
    case 'node':
      if (special === 'strip' && mounted.test(path)) return undefined
      throw refuseEntry(name, path, 'is a device or a FIFO')
    case 'file':
      if (special === 'refuse' && (member.mode & 0o6000) !== 0) throw refuseEntry(name, path, 'is setuid or setgid')
      if (special === 'refuse' && member.capability) throw refuseEntry(name, path, 'has file capabilities')
      return { kind: 'file', path, size: member.size, executable: (member.mode & 0o111) !== 0 }
  }
}

/**
 * The path in the image of what a member is called. ko and Kaniko write `/etc/x`, which everybody who unpacks layers
 * takes for `etc/x`; several slashes are in no image that was not made to attack (CVE-2021-32804).
 *
 * @throws SyntaxError as parseTreePath
 */
export function memberPath(text: string): string {
  return parseTreePath(text.replace(/^\/(?!\/)/, ''))
}

function pathOf(parse: () => string, member: Member, name: ArchiveName, what = ''): string {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw refuseEntry(name, member.path, `${what}${error.message}`)
  }
}

/** Where a link leads is resolved inside the root by who follows it, so it may be absolute; only text is asked. */
function linkTarget({ path, target }: Member, name: ArchiveName): string {
  if (target === '') throw refuseEntry(name, path, 'is a link to nothing')
  if (Buffer.byteLength(target) > 4095) throw refuseEntry(name, path, 'is a link with a target longer than 4095 bytes')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  if (/[\u0000-\u001f\u007f\ufffd]/.test(target)) throw refuseEntry(name, path, 'is a link with control characters')
  return target
}

function whiteout(path: string, last: string, name: ArchiveName): LayerEntry {
  const parent = parentOf(path)
  if (/(?:^|\/)\.wh\./.test(parent)) throw refuseEntry(name, path, 'lies in a directory with the name of a whiteout')
  if (last === '.wh..wh..opq') return { kind: 'opaque', path: parent }
  const hidden = last.slice('.wh.'.length)
  // `.wh...` removed the whole root in umoci 0.4; other names with a second `.wh.` are aufs' own (C-oci, 2.1).
  if (hidden === '' || hidden === '.' || hidden === '..' || hidden.startsWith('.wh.'))
    throw refuseEntry(name, path, 'is a whiteout of nothing that can be there')
  return { kind: 'whiteout', path: parent === '' ? hidden : `${parent}/${hidden}` }
}
