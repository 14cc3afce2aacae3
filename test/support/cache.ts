import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

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
  rmSync(parent, { recursive: true, force: true })
  mkdirSync(parent, { recursive: true })
  const temporary = mkdtempSync(join(parent, 'making-'))
  await make(temporary)
  renameSync(temporary, folder)
  return folder
}
