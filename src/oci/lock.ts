import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { makeFolder } from './files.ts'
import { wait } from './network.ts'

const beat = 5_000
/** A holder that has not been heard of for so long is gone: another machine, or a reused process number. */
const stale = 6 * beat

/**
 * Runs `work` while no other process of this cache runs its own for the same path. The lock saves work and nothing
 * else: files are complete when they appear, so a lock that is taken from a living process does no harm.
 */
export async function withLock<T>(path: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const mine = `${process.pid} ${hostname()} ${randomUUID()}`
  await makeFolder(dirname(path))
  while (!(await take(path, mine))) await wait(100, signal)
  const heart = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => {})
  }, beat).unref()
  try {
    return await work()
  } finally {
    clearInterval(heart)
    if ((await contentOf(path)) === mine) await rm(path, { force: true })
  }
}

async function take(path: string, mine: string): Promise<boolean> {
  try {
    await writeFile(path, mine, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Somebody deleted the whole folder.
    if (code === 'ENOENT') await makeFolder(dirname(path))
    else if (code !== 'EEXIST') throw error
  }
  if (await isHeld(path)) return false
  // Renamed first, so that of two who find it stale one takes it away.
  const away = `${path}.${randomUUID()}`
  await rename(path, away).catch(() => {})
  await rm(away, { force: true })
  return false
}

async function isHeld(path: string): Promise<boolean> {
  const [content, found] = await Promise.all([contentOf(path), stat(path).catch(() => undefined)])
  if (found === undefined) return false
  if (Date.now() - found.mtimeMs > stale) return false
  const [pid = '', host] = content.split(' ')
  return host !== hostname() || !/^\d+$/.test(pid) || isRunning(Number(pid))
}

function contentOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
