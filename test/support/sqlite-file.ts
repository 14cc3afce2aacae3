import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** A file that SQLite wrote, with blobs as rows of one table, as rpm has them. */
export function sqliteFile(
  folder: string,
  {
    table,
    rows,
    pageSize = 4096,
    deleted = 0,
  }: {
    readonly table: string
    readonly rows: readonly Uint8Array[]
    readonly pageSize?: number
    /** So many are there before them, and go. */
    readonly deleted?: number
  },
): Buffer {
  const path = join(folder, 'test.sqlite')
  const database = new DatabaseSync(path)
  try {
    database.exec(`PRAGMA page_size = ${pageSize}; PRAGMA synchronous = off`)
    database.exec(`CREATE TABLE 'Before' (x TEXT); CREATE INDEX of_before ON 'Before' (x)`)
    database.exec(`CREATE TABLE '${table}' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL); BEGIN`)
    const insert = database.prepare(`INSERT INTO '${table}' (blob) VALUES (?)`)
    for (let index = 0; index < deleted; index++) insert.run(Buffer.alloc(index * 100, 1))
    database.exec(`DELETE FROM '${table}'`)
    for (const row of rows) insert.run(row)
    database.exec('COMMIT')
  } finally {
    database.close()
  }
  const bytes = readFileSync(path)
  rmSync(path)
  return bytes
}
