import { spawnSync } from 'node:child_process'
import { afterAll } from 'vitest'
import { temporaryFolder } from './folder.ts'

const mounted: string[] = []
// Registered after the hook that removes the folders, so it runs before it.
afterAll(() => {
  for (const folder of mounted) spawnSync('umount', ['--lazy', folder])
})

/** Mounts something on a folder, until the file's tests are done. */
export function mountOn(folder: string, ...words: readonly string[]): string {
  const { status, stderr } = spawnSync('mount', [...words, folder])
  if (status !== 0) throw new Error(`Cannot mount: ${stderr}`)
  mounted.push(folder)
  return folder
}

/** @param options as of `mount -o` */
export function mountTmpfs(...options: readonly string[]): string {
  return mountOn(temporaryFolder(), '-t', 'tmpfs', '-o', options.join(','), 'none')
}
