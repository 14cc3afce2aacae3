import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'

/** Removes a folder that may hold read-only ones, as Nix's store does, which stop anybody but root. */
export function removeFolder(path: string): void {
  if (process.getuid?.() !== 0) spawnSync('chmod', ['-R', 'u+w', path], { stdio: 'ignore' })
  rmSync(path, { recursive: true, force: true })
}
