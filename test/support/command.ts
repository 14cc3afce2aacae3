import { spawn } from 'node:child_process'

/** Runs a program to its end and returns what it wrote to stdout; another exit than 0 throws with all it said. */
export function command(
  program: string,
  words: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const { cwd, env = process.env } = options
    const child = spawn(program, words, { stdio: 'pipe', env, ...(cwd ? { cwd } : {}) })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (errors += chunk))
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output)
      else
        reject(
          new Error(`${[program, ...words].join(' ').slice(0, 500)} ended with ${code ?? signal}:\n${output}${errors}`),
        )
    })
  })
}
