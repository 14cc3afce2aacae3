import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'
import { cachedFolder } from './test/support/cache.ts'

// A fifth of a `pulumi up` is Node that compiles Pulumi's SDK; what it comes to is kept for all processes that tests
// start, and for later runs.
process.env['NODE_COMPILE_CACHE'] ??= await cachedFolder(
  'compiled',
  readFileSync('package-lock.json', 'utf8'),
  async () => {},
)

export default defineConfig({
  test: { include: ['test/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000, maxWorkers: 2 },
})
