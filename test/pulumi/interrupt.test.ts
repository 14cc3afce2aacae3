import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

// Bug: the process ignored the engine's SIGINT, so every run waited five seconds for SIGKILL.
test('an idle provider process ends at SIGINT', async () => {
  const code = `await import(${JSON.stringify(resolve('src/provider.ts'))}); setInterval(() => {}, 1e6); console.log('ready')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([0, null])
})
