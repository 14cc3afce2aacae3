import { ByteReader } from '../archive/bytes.ts'
import type { OpenArchive } from './open-archive.ts'

/** As many as blobs are read at once. */
const maxIdle = 4

/** A place in a compressed archive, from where one can only go on. */
interface Cursor extends OpenArchive {
  readonly reader: ByteReader
}

/**
 * Cursors that wait for a member that comes later. Without them, an archive of a hundred layers, as Nix makes them,
 * would be decompressed from its beginning a hundred times.
 */
const idle = new Map<string, Cursor[]>()

export function cursorOf(archive: OpenArchive): Cursor {
  return { ...archive, reader: new ByteReader(archive.bytes) }
}

/** The cursor that is next before a place, if any. */
export function takeCursor(path: string, place: { identity: string; offset: number }): Cursor | undefined {
  const all = idle.get(path) ?? []
  const [best] = all
    .filter(({ identity, reader }) => identity === place.identity && reader.position <= place.offset)
    .sort((a, b) => b.reader.position - a.reader.position)
  if (best !== undefined) all.splice(all.indexOf(best), 1)
  return best
}

export async function keepCursor(path: string, cursor: Cursor): Promise<void> {
  const all = [cursor, ...(idle.get(path) ?? [])]
  const kept = all.filter(({ identity }) => identity === cursor.identity).slice(0, maxIdle)
  idle.set(path, kept)
  for (const one of all) if (!kept.includes(one)) await one.close()
}
