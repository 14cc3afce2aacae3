import { spawnSync } from 'node:child_process'
import { test } from 'vitest'

/**
 * `test`, or a test that says what is missing and is skipped. On CI nothing may be missing, so it runs and fails.
 *
 * @param commands programs that must be on the PATH, as `apt-get install` gives them
 */
export function testWith(...commands: readonly string[]): (name: string, run: () => Promise<void>) => void {
  const missing = commands.filter((name) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status !== 0)
  if (missing.length === 0 || process.env['CI'] === 'true') return test
  return (name, run) => test.skip(`${name} (skipped: install ${missing.join(', ')})`, run)
}
