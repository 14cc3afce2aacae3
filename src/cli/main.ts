#!/usr/bin/env node
import { createInterface } from 'node:readline/promises'
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

const { env, stdin, stdout, stderr } = process
const { signal } = stopped
const ask = async (question: string) => {
  const asking = createInterface({ input: stdin, output: stderr })
  const answer = await asking.question(`${question} [y/N] `, { signal }).finally(() => asking.close())
  return /^y(?:es)?$/i.test(answer.trim())
}
const terminal = { env, stdout, stderr, signal, ...(stdin.isTTY ? { ask } : {}) }
const code = await run(process.argv.slice(2), terminal)
process.exitCode ??= code
