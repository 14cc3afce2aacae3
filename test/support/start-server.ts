import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const running = new Set<() => void>()
process.once('exit', () => {
  for (const kill of running) kill()
})

/** Starts a program that serves until it is closed, and waits for the line that says where. */
export async function startServer(
  program: string,
  words: readonly string[],
  ready: RegExp,
): Promise<{ readonly found: string; close(): Promise<void> }> {
  const child = spawn(program, words, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none' },
  })
  const kill = () => child.kill('SIGKILL')
  const ended = once(child, 'exit')
  running.add(kill)
  let said = ''
  for await (const line of createInterface({ input: child.stderr })) {
    said += `${line}\n`
    const found = ready.exec(line)?.[1]
    if (found === undefined) continue
    child.stderr.resume()
    const close = async () => {
      kill()
      await ended
      running.delete(kill)
    }
    return { found, close }
  }
  throw new Error(`${program} ended:\n${said}`)
}
