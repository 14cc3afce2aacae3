import { spawnSync } from 'node:child_process'

/** Whether to skip a test that needs root. CI has root, so there it runs, or fails. */
export const lacksRoot = process.getuid?.() !== 0 && process.env['CI'] !== 'true'

/** Whether to skip a test that needs a program which only some machines have. */
export function lacks(program: string): boolean {
  const found = spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0
  return !found && process.env['CI'] !== 'true'
}
