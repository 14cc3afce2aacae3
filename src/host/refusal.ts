import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import type { ExecResult } from './transport.ts'

/** What to say when an answer has no last line: only a new probe tells what was done. */
export function stoppedShort(on: string, { lost, stderr }: ExecResult): ProviderError {
  const why = lost ?? (printable(stderr.trim(), 300) || 'the shell was killed there, or the connection was lost')
  return new ProviderError(
    'HOST_UNREACHABLE',
    `Cannot tell what happened on ${on}: its answer stopped short (${why}); run it again, it goes on from what is there`,
  )
}

/** What to say when an answer has no first line either. */
export function notStarted(on: string, result: ExecResult, sudo: boolean): ProviderError {
  // Above 128 stands the signal that ended a command (POSIX, "Exit Status for Commands").
  if (result.code === undefined || result.code > 128) return stoppedShort(on, result)
  const said = printable((result.stderr.trim() || result.stdout.trim()).split('\n').slice(-2).join(' '), 300)
  if (sudo) {
    const [, remedy = 'connect as root, or give the user sudo rights without a password (NOPASSWD) for all commands'] =
      sudoRemedies.find(([pattern]) => pattern.test(said)) ?? []
    return new ProviderError('HOST_REFUSED', `Cannot become root on ${on}: ${said}; ${remedy}`)
  }
  return new ProviderError(
    'HOST_REFUSED',
    `Cannot run a shell on ${on}: ${said || `it ended with status ${result.code}`}; check that the user may log in and run sh there`,
  )
}

const sudoRemedies: readonly (readonly [RegExp, string])[] = [
  [/not found|unknown command/i, 'install sudo there, or connect as root without sudo'],
  [/tty/, 'put "Defaults:USER !requiretty" into its sudoers, or connect as root'],
]

/** What to say of FAIL lines, by their code. */
export function refused(on: string, code: string, found: string): ProviderError {
  const what = printable(found.trim(), 400) || 'a command ended there without a word'
  const error = (as: ProviderError['code'], message: string) => new ProviderError(as, message)
  switch (code) {
    case 'HOST_LACKS_TOOL':
      return error(code, `Cannot use ${on}: it lacks ${what}; install ${packagesFor(what)} there`)
    case 'NO_SPACE':
      return error(
        code,
        `Cannot write to ${on}: ${what}; nothing was changed. Free space there, or move root to a larger disk`,
      )
    case 'LOCKED':
      return error(
        code,
        `Cannot change ${on}: ${quote(what)} is at work there, for longer than we wait; run it again later`,
      )
    case 'STORE_CHANGED':
      return error(code, `Cannot change ${on}: someone else changed it meanwhile (${what}); run it again`)
    case 'IN_USE':
      return error(
        'CONFLICT',
        `Cannot remove Postgres from ${on}: a process still runs from ${what}; stop the server, then run it again`,
      )
    case 'DIGEST_MISMATCH':
      return error(code, `Cannot write to ${on}: files arrived damaged (${what}); nothing was changed, run it again`)
    case 'CUT':
      return error('HOST_UNREACHABLE', `Cannot write to ${on}: ${what}; nothing was changed, run it again`)
    default:
      return error('HOST_REFUSED', `Cannot use ${on}: ${what}`)
  }
}

const packages: Readonly<Record<string, string>> = {
  flock: 'util-linux',
  find: 'findutils',
  xargs: 'findutils',
  tar: 'tar',
  awk: 'mawk or gawk',
}

function packagesFor(tools: string): string {
  return [...new Set(tools.split(/\s+/).map((tool) => packages[tool] ?? 'coreutils'))].join(', ')
}
