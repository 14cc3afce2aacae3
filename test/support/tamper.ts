import { readFileSync, renameSync, writeFileSync } from 'node:fs'

/**
 * Changes one byte of a file and nothing else that shows: size and mode stay. The file is replaced, as an editor or a
 * package manager would; written in place, a library would crash the server that has it mapped.
 */
export function flipByte(path: string): void {
  const bytes = readFileSync(path)
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 1
  writeFileSync(`${path}.new`, bytes, { mode: 0o444 })
  renameSync(`${path}.new`, path)
}
