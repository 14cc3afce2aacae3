#!/usr/bin/env node
import { ProviderError } from '../model/error.ts'
import { run } from './run.ts'

const stopped = new AbortController()
for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(name, () => {
    process.exitCode = code
    stopped.abort(new ProviderError('ABORTED', 'Stopped; nothing is left behind'))
  })
// `pgoci inspect --files … | head` has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

const { env, stdout, stderr } = process
const code = await run(process.argv.slice(2), { env, stdout, stderr, signal: stopped.signal })
process.exitCode ??= code
