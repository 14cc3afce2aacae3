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
  const { code, stdout, stderr } = result
  // From 129 to 192 stands the signal that ended a command (POSIX, "Exit Status for Commands").
  if (code === undefined || (code > 128 && code <= 192)) return stoppedShort(on, result)
  const said = (stderr.trim() || stdout.trim()).split('\n').slice(-2).join(' ')
  const refused = (message: string) => new ProviderError('HOST_REFUSED', message)
  const login = loginRemedies.find(([pattern]) => pattern.test(said))?.[1]
  // Ours fails or says that it began; what succeeds in silence is another command.
  if (code === 0 || login === forced)
    return refused(
      `Cannot run a script on ${on}: its sshd or login shell runs another command instead, which printed ${said ? quote(said, 300) : 'nothing'}; ${forced}`,
    )
  const shown = printable(said, 300)
  if (login !== undefined) return refused(`Cannot run a shell on ${on}: ${shown}; ${login}`)
  if (sudo) {
    const [, remedy = 'set sudoPassword, connect as root, or give the user NOPASSWD for all commands in its sudoers'] =
      sudoRemedies.find(([pattern]) => pattern.test(said)) ?? []
    return refused(`Cannot become root on ${on}: ${shown}; ${remedy}`)
  }
  return refused(
    `Cannot run a shell on ${on}: ${shown || `it ended with status ${code}`}; check that the user may log in and run sh there, and that no ForceCommand and no command= of authorized_keys is in the way`,
  )
}

/** Not tried again by this process: accounts are locked for that. */
export function wrongSudoPassword(on: string): ProviderError {
  return new ProviderError('LOGIN_REFUSED', `Cannot become root on ${on}: sudo does not take sudoPassword; correct it`)
}

const forced = 'take ForceCommand (sshd_config) or command= (authorized_keys) away from this login, or use another one'

/** By what accounts say that let in, but run nothing. */
const loginRemedies: readonly (readonly [RegExp, string])[] = [
  [/allows sftp connections only/, forced],
  [/account is (?:currently )?not available/, 'give the user a shell that runs commands, or connect as another one'],
  [
    /password (?:has|is) expired|password change required/i,
    "change the user's password there, or connect as another one",
  ],
]

const sudoRemedies: readonly (readonly [RegExp, string])[] = [
  [/not found|unknown command/i, 'install sudo there, or connect as root without sudo'],
  [/not in the sudoers file|not allowed to/, 'give the user sudo rights there for all commands, or connect as root'],
  [/tty/, 'put "Defaults:USER !requiretty" into its sudoers, or connect as root'],
]
