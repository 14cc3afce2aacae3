import { type ExecFileException, execFile } from 'node:child_process'
import { z } from 'zod'
import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import type { Credential } from './credential.ts'

const answerSchema = z.object({
  Username: z.string().max(65_536).default(''),
  Secret: z.string().max(65_536).default(''),
})

/** The tokens of clouds have a few kilobytes. */
const maxOutput = 256 * 1024

const defaultPatience = 30_000

/** What a helper prints when it has no login, in all versions and languages (docker-credential-helpers). */
const notFound = 'credentials not found in native keychain'

interface Asking {
  /** The file that names the helper; for messages. */
  readonly file: string
  readonly env: NodeJS.ProcessEnv
  readonly signal?: AbortSignal | undefined
  /** Milliseconds. @default 30 s */
  readonly patience?: number | undefined
}

/**
 * Asks `docker-credential-NAME get` for a server's login; `undefined` when it has none. A helper that cannot say is an
 * error and never "no login": Docker once went on without it, and sent what was meant for one registry to another
 * (CVE-2021-41092). What it prints is a secret even then, so only its stderr is shown.
 *
 * @throws ProviderError REGISTRY_REFUSED
 */
export async function askHelper(name: string, server: string, asking: Asking): Promise<Credential | undefined> {
  const { file, env, signal, patience = defaultPatience } = asking
  const program = `docker-credential-${name}`
  const failed = (why: string, advice: string) =>
    new ProviderError(
      'REGISTRY_REFUSED',
      `Cannot log in to ${printable(server)}: the credential helper ${quote(program)}, which ${quote(file, 4096)} names, ${why}; ${advice}`,
    )
  // It becomes the name of a program: no path, no options, nothing for a shell.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) throw failed('has no proper name', 'correct that file')

  const { error, stdout, stderr } = await run(program, server, { env, signal, patience })
  signal?.throwIfAborted()
  if (stdout.trim() === notFound) return undefined
  const byHand = 'run it by hand, or take it out of that file'
  if (error) {
    if (error.code === 'ENOENT')
      throw failed('is not on the PATH', 'install it, or take it out of that file and log in again')
    if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') throw failed('prints too much', byHand)
    if (error.killed) throw failed(`does not answer in ${patience / 1000} s`, byHand)
    const said = stderr.trim() === '' ? '' : ` and says ${quote(stderr.trim())}`
    throw failed(`${endOf(error)}${said}`, byHand)
  }
  const { Username: username, Secret: secret } = parse(stdout) ?? {}
  if (username === undefined || secret === undefined) throw failed('prints no JSON of a login', byHand)
  if (username === '' && secret === '') return undefined
  if (username === '' || secret === '') throw failed('prints a login that lacks its half', byHand)
  return username === '<token>' ? { identityToken: secret } : { username, password: secret }
}

interface Ran {
  readonly error: ExecFileException | null
  readonly stdout: string
  readonly stderr: string
}

function run(
  program: string,
  input: string,
  options: { env: NodeJS.ProcessEnv; signal: AbortSignal | undefined; patience: number },
): Promise<Ran> {
  const { env, signal, patience } = options
  return new Promise((resolve) => {
    const limits = { timeout: patience, maxBuffer: maxOutput, killSignal: 'SIGKILL' } as const
    const child = execFile(
      program,
      ['get'],
      { env, ...limits, ...(signal ? { signal } : {}) },
      (error, stdout, stderr) => resolve({ error, stdout, stderr }),
    )
    // A helper may end without reading what it is asked.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

function endOf({ code, signal }: ExecFileException): string {
  if (typeof code === 'number') return `ends with exit code ${code}`
  return signal ? `is ended by ${signal}` : `cannot be run (${printable(String(code))})`
}

function parse(stdout: string) {
  try {
    return answerSchema.parse(JSON.parse(stdout))
  } catch {
    return undefined
  }
}
