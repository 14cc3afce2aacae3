import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface TestProcess {
  readonly pid: number
  /** Ends it, and waits for its end; false when it had ended by itself. */
  stop(): Promise<boolean>
}

/** Starts a program that runs until it is stopped; resolves when it is what the words say. */
export async function startIn(program: string, words: readonly string[]): Promise<TestProcess> {
  const child = spawn(program, words, { stdio: 'ignore' })
  await once(child, 'spawn')
  return {
    pid: child.pid as number,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return false
      child.kill('SIGKILL')
      await once(child, 'exit')
      return true
    },
  }
}
