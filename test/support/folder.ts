import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const made: string[] = []
// Registered before the hooks of the file that imports this, so it runs after them.
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true })
  if (memory === undefined) return
  spawnSync('umount', ['--lazy', memory])
  rmSync(memory, { recursive: true })
})
let memory: string | undefined

/**
 * A folder that others may enter, and that is gone when the file's tests are done. Where we are root it is in memory:
 * a store syncs its disk all the time, and that would wait for whatever else this machine writes.
 */
export function temporaryFolder(): string {
  memory ??= mountMemory()
  const folder = mkdtempSync(join(memory, 'pgoci-test-'))
  chmodSync(folder, 0o755)
  made.push(folder)
  return folder
}

function mountMemory(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pgoci-test-'))
  chmodSync(folder, 0o755)
  // Without root it stays a folder of the disk.
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'none', folder])
  return folder
}
