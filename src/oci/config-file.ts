import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import type { Environment } from './environment.ts'

/** The largest that anybody has seen is some hundred kilobytes: a list of aliases. */
const maxFile = 1024 * 1024
const chunkSize = 4 * 1024

/**
 * The text of a file that other tools keep for their user, or `undefined` where there is none. A folder and a FIFO,
 * which would wait for a writer for ever, are refused, and so is what is larger than 1 MiB.
 *
 * @throws ProviderError BAD_INPUT
 */
export function readConfigFile(path: string): string | undefined {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw badFile(path, printable(messageOf(error)))
  }
  try {
    if (!fstatSync(file).isFile()) throw badFile(path, 'it is no file')
    const parts: Buffer[] = []
    // Every source reads such files again: a buffer of the largest size for each took half of the time of 200 names.
    for (let size = 0; size <= maxFile; size += parts.at(-1)?.length ?? 0) {
      const part = Buffer.allocUnsafe(chunkSize)
      const read = readSync(file, part, 0, chunkSize, null)
      if (read === 0) return Buffer.concat(parts).toString('utf8')
      parts.push(part.subarray(0, read))
    }
    throw badFile(path, 'it is larger than 1 MiB')
  } finally {
    closeSync(file)
  }
}

/** @param why never with what the file holds: it may be a secret */
export function badFile(path: string, why: string): ProviderError {
  return new ProviderError('BAD_INPUT', `Cannot use ${quote(path, 4096)}: ${why}; correct it, or move it away`)
}

/** Paths below the folders that Docker, Podman and their kin look into. */
export function pathsOf({ env = process.env, systemRoot = '/' }: Environment) {
  const home = env['HOME'] || homedir()
  return {
    home: (path: string) => join(home, path),
    config: (path: string) => join(env['XDG_CONFIG_HOME'] || join(home, '.config'), path),
    system: (path: string) => join(systemRoot, path),
  }
}
