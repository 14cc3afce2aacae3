import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

const keptFor = 7 * 24 * 3600 * 1000

/**
 * A folder that is costly to make and the same for every run, outside the checkout. The recipe's text is its key, so
 * another recipe makes another folder; what nobody has used for a week goes.
 */
export async function cachedFolder(
  name: string,
  recipe: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const home = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const parent = join(home, 'pulumi-postgres-oci', 'test', name)
  const folder = join(parent, createHash('sha256').update(recipe).digest('hex').slice(0, 16))
  if (existsSync(folder)) return used(folder)
  mkdirSync(parent, { recursive: true })
  const release = await lock(`${parent}.lock`)
  try {
    if (existsSync(folder)) return used(folder)
    // Another checkout may be using the folder of its own recipe now.
    for (const other of readdirSync(parent)) {
      if (Date.now() - statSync(join(parent, other)).mtimeMs > keptFor) rmSync(join(parent, other), { recursive: true })
    }
    const temporary = mkdtempSync(join(parent, 'making-'))
    await make(temporary)
    renameSync(temporary, folder)
    return folder
  } finally {
    release()
  }
}

function used(folder: string): string {
  utimesSync(folder, new Date(), new Date())
  return folder
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
