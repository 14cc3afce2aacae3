import { spawnSync } from 'node:child_process'
import { test } from 'vitest'

const isCi = process.env['CI'] === 'true'

/** Whether to skip a test that needs root. CI has root, so there it runs, or fails. */
export const lacksRoot = process.getuid?.() !== 0 && !isCi

/** Whether to skip a test that needs a program which only some machines have. */
export function lacks(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status !== 0 && !isCi
}

/**
 * `test`, or a test that says what is missing and is skipped. On CI nothing may be missing, so it runs and fails.
 *
 * @param commands programs that must be on the PATH, as `apt-get install` gives them
 */
export function testWith(...commands: readonly string[]): (name: string, run: () => Promise<void>) => void {
  const missing = commands.filter(lacks)
  if (missing.length === 0) return test
  return (name, run) => test.skip(`${name} (skipped: install ${missing.join(', ')})`, run)
}
