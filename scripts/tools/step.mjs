import { spawnSync } from 'node:child_process'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Where tools are kept between runs, outside the checkout. */
export const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'pulumi-postgres-oci', 'tools')

/** Runs a command to its end, saying what it is for and how long it took. */
export function step(what, command, words, options = {}) {
  process.stderr.write(`${what} …\n`)
  const started = Date.now()
  const { status, error } = spawnSync(command, words, { stdio: ['ignore', 'ignore', 'inherit'], ...options })
  if (status !== 0) throw new Error(`${what}: ${error?.message ?? `${command} ended with ${status}`}`)
  process.stderr.write(`${what}: ${((Date.now() - started) / 1000).toFixed(0)} s\n`)
}

export function has(program, words = ['--version']) {
  return spawnSync(program, words, { stdio: 'ignore' }).status === 0
}

export function usePath(folder) {
  process.env.PATH = `${folder}${delimiter}${process.env.PATH}`
}
