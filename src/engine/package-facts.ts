import type { Tree } from '../model/tree.ts'
import { type PackageDatabase, packageDatabase, readPackages } from '../postgres/packages.ts'
import { readRpmPackages } from '../postgres/rpm.ts'

/** Debian's has 1 MB with 1,000 packages, rpm's 100 MB with 2,000, and images are a tenth of that. */
const maxSize = 64 * 1024 * 1024

/** A file in which a package manager keeps what is installed. */
interface Database {
  readonly kind: PackageDatabase
  /** Where it goes on a host. */
  readonly place: string
  readonly size: number
}

export function findDatabases(tree: Tree, placeOf: (path: string) => string | undefined): Database[] {
  return [...tree].flatMap(([path, entry]) => {
    const place = entry.kind === 'file' && entry.size > 0 ? placeOf(path) : undefined
    const kind = place?.startsWith('root/') ? packageDatabase(place.slice('root/'.length)) : undefined
    return place && kind && entry.kind === 'file' ? [{ kind, place, size: entry.size }] : []
  })
}

/** Why it is not read, if it is not. */
export function whyUnread({ kind, size }: Database): string | undefined {
  if (kind === 'berkeley') return 'is a BerkeleyDB, as rpm had before 4.16: its packages are not read'
  if (kind === 'journal') return 'has changes that are not in rpmdb.sqlite yet: they are not read'
  return size > maxSize ? `is a package database of more than ${maxSize} bytes, and not read` : undefined
}

/**
 * @returns name → version
 * @throws SyntaxError for one that is damaged
 */
export function packagesIn({ kind }: Database, bytes: Buffer): Map<string, string> {
  if (kind === 'rpm') return readRpmPackages(bytes)
  return kind === 'dpkg' || kind === 'apk' ? readPackages(bytes.toString('utf8'), kind) : new Map()
}
