import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

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

/** All that run on this machine, with their command lines. */
export function processes(): { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const command = readFileSync(`/proc/${Number(name)}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return [{ pid: Number(name), command }]
    } catch {
      return []
    }
  })
}
