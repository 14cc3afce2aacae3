import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { shellQuote } from './shell.ts'
import type { Transport } from './transport.ts'

const text = (name: string) => readFileSync(new URL(`./${name}.sh`, import.meta.url), 'utf8')
const library = text('lib')
const verbs = { probe: text('probe'), push: text('push'), remove: text('remove') }

export interface ScriptOptions {
  readonly stdin?: Readable | string
  readonly sudo?: boolean
  readonly signal?: AbortSignal
}

/**
 * Runs a verb of the store on a host and returns the lines of its answer, split at tabs.
 *
 * Resolving means that the verb said OK. Anything else is an error: what the script refused by name, or, when the
 * answer stops short, HOST_UNREACHABLE, after which only a new probe tells what happened.
 */
export async function runScript(
  transport: Transport,
  verb: keyof typeof verbs,
  words: readonly string[],
  options: ScriptOptions = {},
): Promise<string[][]> {
  const nonce = randomUUID()
  const command = shellQuote([
    ...(options.sudo ? ['sudo', '-n'] : []),
    'sh',
    '-c',
    library + verbs[verb],
    verb,
    nonce,
    ...words,
  ])
  const result = await transport.exec(command, options)
  const start = result.stdout.indexOf(`BEGIN ${nonce}\n`)
  if (start < 0) throw notStarted(transport, result, options)
  const lines = result.stdout
    .slice(start)
    .split('\n')
    .slice(1, -1)
    .map((line) => line.split('\t'))
  const last = lines.at(-1)
  if (last?.[0] === 'OK') return lines
  if (last?.[0] === 'FAIL') throw refused(transport, last[1] ?? '', last.slice(2).join(' '))
  throw new ProviderError(
    'HOST_UNREACHABLE',
    `Cannot tell what happened on ${transport.name}: the answer stopped short (${printable(result.stderr.trim(), 300) || 'connection lost'}); run it again, it continues from what is there`,
  )
}

function notStarted(
  transport: Transport,
  result: { code: number | undefined; stderr: string },
  options: ScriptOptions,
) {
  const said = printable(result.stderr.trim(), 300)
  if (options.sudo && /sudo/.test(result.stderr)) {
    return new ProviderError(
      'HOST_REFUSED',
      `Cannot become root on ${transport.name}: ${said}; give the user sudo rights without a password (NOPASSWD), or connect as root`,
    )
  }
  return new ProviderError(
    'HOST_REFUSED',
    `Cannot run a shell on ${transport.name}: ${said || `it ended with ${result.code ?? 'no status'}`}`,
  )
}

function refused(transport: Transport, code: string, found: string): ProviderError {
  const what = printable(found, 400)
  const on = transport.name
  switch (code) {
    case 'HOST_LACKS_TOOL':
      return new ProviderError(
        'HOST_LACKS_TOOL',
        `Cannot use ${on}: it lacks ${what.trim()}; install ${packagesFor(what)}`,
      )
    case 'NO_SPACE':
      return new ProviderError(
        'NO_SPACE',
        `Cannot write to ${on}: ${what}; free space there, or set root to a larger disk`,
      )
    case 'LOCKED':
      return new ProviderError(
        'LOCKED',
        `Cannot change ${on}: ${quote(what)} has been at work on it for longer than we wait; run it again later`,
      )
    case 'STORE_CHANGED':
      return new ProviderError(
        'STORE_CHANGED',
        `Cannot change ${on}: someone else changed it meanwhile (${what}); run it again`,
      )
    case 'IN_USE':
      return new ProviderError(
        'CONFLICT',
        `Cannot remove Postgres from ${on}: a process still runs from ${what}; stop the server first`,
      )
    case 'DIGEST_MISMATCH':
      return new ProviderError(
        'DIGEST_MISMATCH',
        `Cannot write to ${on}: files arrived damaged (${what}); run it again`,
      )
    case 'CUT':
      return new ProviderError('HOST_UNREACHABLE', `Cannot write to ${on}: ${what}; nothing was changed, run it again`)
    default:
      return new ProviderError('HOST_REFUSED', `Cannot change ${on}: ${what}`)
  }
}

const packages: Readonly<Record<string, string>> = {
  sha256sum: 'coreutils',
  flock: 'util-linux',
  find: 'findutils',
  xargs: 'findutils',
  tar: 'tar',
  awk: 'mawk or gawk',
}

function packagesFor(tools: string): string {
  const names = tools
    .trim()
    .split(/\s+/)
    .map((tool) => packages[tool] ?? 'coreutils')
  return [...new Set(names)].join(', ')
}
