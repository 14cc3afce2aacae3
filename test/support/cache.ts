import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

/**
 * A folder that is costly to make and the same for every run, outside the checkout. The recipe's text is its key, so
 * another recipe makes another folder, and the folders of former recipes go.
 */
export async function cachedFolder(
  name: string,
  recipe: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const home = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const parent = join(home, 'pulumi-postgres-oci', 'test', name)
  const folder = join(parent, createHash('sha256').update(recipe).digest('hex').slice(0, 16))
  if (existsSync(folder)) return folder
  mkdirSync(parent, { recursive: true })
  const release = await lock(`${parent}.lock`)
  try {
    if (existsSync(folder)) return folder
    rmSync(parent, { recursive: true })
    mkdirSync(parent)
    const temporary = mkdtempSync(join(parent, 'making-'))
    await make(temporary)
    renameSync(temporary, folder)
    return folder
  } finally {
    release()
  }
}

/** Test files run in processes of their own; one makes, the others wait. The lock of a dead process is taken over. */
async function lock(path: string): Promise<() => void> {
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      return () => rmSync(path, { force: true })
    } catch {
      const holder = existsSync(path) ? readFileSync(path, 'utf8') : ''
      if (holder !== '' && !existsSync(`/proc/${holder}`)) rmSync(path, { force: true })
      await setTimeout(200)
    }
  }
}
