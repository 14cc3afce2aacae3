import { spawn } from 'node:child_process'
import { collect } from './collect.ts'
import type { Transport } from './transport.ts'

/** This machine as a host: the scripts run as they would behind SSH. For tests and for installing where we run. */
export function localTransport(options: { shell?: readonly string[]; env?: NodeJS.ProcessEnv } = {}): Transport {
  const [shell = 'sh', ...shellArguments] = options.shell ?? ['sh']
  return {
    name: 'localhost',
    exec: (command, exec = {}) => {
      const child = spawn(shell, [...shellArguments, '-c', command], {
        stdio: 'pipe',
        ...(options.env ? { env: options.env } : {}),
      })
      return collect(
        {
          name: 'localhost',
          stdin: child.stdin,
          stdout: child.stdout,
          stderr: child.stderr,
          ended: new Promise((resolve, reject) => {
            child.once('error', reject)
            child.once('close', (code) => resolve({ code: code ?? undefined }))
          }),
          stop: () => child.kill(),
        },
        exec,
      )
    },
    close: async () => {},
  }
}
