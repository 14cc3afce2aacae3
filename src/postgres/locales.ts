import type { Tree } from '../model/tree.ts'

const folder = /^usr\/lib\/locale\/([^/]+)\/LC_COLLATE$/
/** Where glibc keeps the locales that localedef made (localedef(1)). */
export const localeArchive = 'usr/lib/locale/locale-archive'
const archiveMagic = 0xde020109
const maxLocales = 10_000

/** Locales that have a folder of their own; those of {@link localeArchive} come on top. */
export function localeFolders(tree: Tree): string[] {
  return [...tree.keys()].flatMap((path) => folder.exec(path)?.[1] ?? [])
}

/**
 * Names in an archive of locales: a header with where its hash table is and how many places that has, each with a
 * hash, the offset of a name, and that of a record (glibc, locale/locarchive.h). Of another byte order it is empty.
 *
 * @throws SyntaxError whose message completes "the file …"
 */
export function readLocaleArchive(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < 20 || buffer.readUInt32LE(0) !== archiveMagic) return []
  const [start, count] = [buffer.readUInt32LE(8), buffer.readUInt32LE(16)]
  if (start + count * 12 > buffer.length) throw new SyntaxError('refers to bytes that it does not have')
  const names: string[] = []
  for (let at = start; at < start + count * 12; at += 12) {
    const [name, record] = [buffer.readUInt32LE(at + 4), buffer.readUInt32LE(at + 8)]
    if (name === 0 || record === 0) continue
    const end = buffer.indexOf(0, name)
    if (end < 0 || end - name > 255) throw new SyntaxError('holds a name without an end')
    names.push(buffer.subarray(name, end).toString('latin1'))
    if (names.length > maxLocales) throw new SyntaxError(`has more than ${maxLocales} locales`)
  }
  return names
}
