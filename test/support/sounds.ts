import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Sounds {
  readonly version?: '1.0' | '1.1'
  /** Of which the loader wants, in place of libc, a library that no host has. */
  readonly isLonely?: boolean
}

/** An extension for a root's Postgres, of a module that the root has under another name: only the image brings `sounds`. */
export function sounds(root: string, major: number, { version = '1.0', isLonely = false }: Sounds = {}) {
  const folder = `usr/lib/postgresql/${major}/lib`
  const module = readFileSync(join(root, folder, 'fuzzystrmatch.so'))
  // As long as it was: the table of texts has no room.
  if (isLonely) module.write('libx.so.6', module.indexOf('libc.so.6\0'))
  const sql = `CREATE FUNCTION sounds(text) RETURNS text AS 'MODULE_PATHNAME', 'soundex' LANGUAGE C IMMUTABLE STRICT;`
  const share = `usr/share/postgresql/${major}/extension`
  return new Map([
    [`${folder}/sounds.so`, module],
    [`${share}/sounds.control`, Buffer.from(`default_version = '${version}'\nmodule_pathname = '$libdir/sounds'\n`)],
    [`${share}/sounds--1.0.sql`, Buffer.from(sql)],
    [
      `${share}/sounds--1.0--1.1.sql`,
      Buffer.from('CREATE FUNCTION louder(text) RETURNS text LANGUAGE sql RETURN upper($1);'),
    ],
  ])
}
