import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { type Endpoint, endpointName } from './connection.ts'

/** What to say of a host that could not be reached, from what the network, ssh2 or ssh said. */
export function unreachable(
  endpoint: Endpoint,
  about: {
    readonly error: Error & { code?: string }
    readonly through: string | undefined
    readonly timeout: number
    /** That the keys were exchanged already, and what the host has said since. */
    readonly atLogin?: string | undefined
  },
): ProviderError {
  const { error, through, timeout, atLogin } = about
  // Another port than 22 is in the name.
  const port = (endpoint.port ?? 22) === 22 ? 'port 22' : 'that port'
  const why = /timed? ?out/i.test(error.message)
    ? `no answer on ${port} in ${timeout / 1000} s; check the address and firewalls`
    : error.code === 'ECONNREFUSED' || /connection refused/i.test(error.message)
      ? `nothing listens on ${port}; check the port, and that sshd runs there`
      : error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN' || /could not resolve/i.test(error.message)
        ? 'its name is not known here; check the name and DNS'
        : atLogin !== undefined
          ? `it closed the connection at the login${atLogin && `, saying ${quote(atLogin)}`}; check there that the account has not expired, and that users may log in now (/etc/nologin)`
          : isTurnedAway(error)
            ? `it closed the connection before any login: its sshd takes no more at once (MaxStartups, PerSourcePenalties), or no SSH server answers on ${port}; check which, and run it again`
            : `${printable(messageOf(error))}; check that it is up, and that an SSH server answers on ${port}`
  return new ProviderError(
    'HOST_UNREACHABLE',
    `Cannot reach ${endpointName(endpoint)}${through ? ` through ${through}` : ''}: ${why}`,
    { cause: error },
  )
}

/** What else to look at where a login is refused: hosts tell nobody why. */
export const shutOut = 'that the account is neither expired nor shut out there (AllowUsers)'

/** Whether a host closed a connection at once, as ssh2 and ssh tell it: one that has too many logins at a time does. */
export function isTurnedAway(error: unknown): boolean {
  return /lost before handshake|ECONNRESET|^kex_exchange_identification: .*(?:closed|reset)/.test(messageOf(error))
}

/** What to say of FAIL lines, by their code. */
export function refused(on: string, code: string, found: readonly string[]): ProviderError {
  const what = printable(found.join(' ').trim(), 400) || 'a command ended there without a word'
  const error = (as: ProviderError['code'], message: string) => new ProviderError(as, message)
  switch (code) {
    case 'HOST_LACKS_TOOL':
      return error(code, `Cannot use ${on}: ${lacking(found)}`)
    case 'NO_SPACE':
      return error(
        code,
        `Cannot write to ${on}: ${what}; nothing was installed. Free space there, or move root to a larger disk`,
      )
    case 'LOCKED':
      return error(
        code,
        `Cannot change ${on}: ${quote(what)} is at work there, for longer than we wait; run it again later`,
      )
    case 'STORE_CHANGED':
      return error(code, `Cannot change ${on}: someone else changed it meanwhile (${what}); run it again`)
    case 'NO_SERVER':
      return error('NOT_FOUND', `Cannot find the Postgres of ${on}: ${what}`)
    case 'IN_USE':
      return error(
        'CONFLICT',
        `Cannot remove Postgres from ${on}: a process still runs from ${what}; stop the server, then run it again`,
      )
    case 'UNSEEN':
      return error(
        'CONFLICT',
        `Cannot remove Postgres from ${on}: ${what} may not see whether a server still runs from it (another user's processes, or a /proc that hides them); connect as root, or with sudo`,
      )
    case 'DIGEST_MISMATCH':
      return error(code, `Cannot write to ${on}: files arrived damaged (${what}); nothing was changed, run it again`)
    case 'RELAY_FAILED':
      return error(code, `${on} could not use the relay (${what})`)
    case 'CUT':
      return error('HOST_UNREACHABLE', `Cannot write to ${on}: ${what}; nothing was changed, run it again`)
    default:
      return error('HOST_REFUSED', `Cannot use ${on}: ${what}`)
  }
}

/** @param found the tools, then what os-release(5) says of the system in ID and ID_LIKE */
function lacking([tools = '', systems = '']: readonly string[]): string {
  const names = words(tools)
  const what = printable(names.join(', '), 400)
  const [, install, own = {}] =
    installers.find(([pattern]) => words(systems.replace(/["']/g, '')).some((system) => pattern.test(system))) ?? []
  const packages = names.map((name) => own[name] ?? packageOf[name] ?? 'coreutils')
  const needed = [...new Set(packages)].join(' ')
  return `it lacks ${what}; ${install ? `run "${install} ${needed}" there` : `install there: ${needed}`}`
}

const words = (text: string) => text.trim().split(/\s+/)

/** The package that brings a tool, where it is not coreutils. */
const packageOf: Readonly<Record<string, string>> = {
  awk: 'gawk',
  find: 'findutils',
  flock: 'util-linux',
  grep: 'grep',
  gzip: 'gzip',
  runuser: 'util-linux',
  sed: 'sed',
  tar: 'tar',
  xargs: 'findutils',
}

/** By system: how its packages are installed, and which are called otherwise. */
const installers: readonly (readonly [RegExp, string, Readonly<Record<string, string>>?])[] = [
  [/^(?:debian|ubuntu)$/, 'apt-get install', { awk: 'mawk' }],
  [/^(?:rhel|fedora|centos|amzn)$/, 'dnf install'],
  [/^(?:suse|opensuse.*|sle.*)$/, 'zypper install'],
  [/^alpine$/, 'apk add'],
  [/^arch$/, 'pacman -S'],
]
