import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import type { Endpoint } from './connection.ts'
import { localPath } from './local-path.ts'

/** What ssh would do to reach a host: option in small letters → its values. */
export type SshSettings = ReadonlyMap<string, readonly string[]>

/**
 * Asks ssh itself, because nothing else reads Include, Match and tokens as it does. Without `sshConfig`, it reads the
 * user's own configuration.
 *
 * @throws ProviderError BAD_INPUT when there is no ssh on this machine, or for a file that it does not take
 */
export async function sshSettings({ host, port, user, sshConfig: path }: Endpoint): Promise<SshSettings> {
  const words = [
    '-G',
    ...(path ? ['-F', localPath(path)] : []),
    ...(port ? ['-p', String(port)] : []),
    ...(user ? ['-l', user] : []),
  ]
  const refuse = (why: string) =>
    new ProviderError('BAD_INPUT', `Cannot read ${path ? quote(path) : 'the configuration of ssh'}: ${why}`)
  const { stdout } = await promisify(execFile)('ssh', [...words, '--', host], { timeout: 15_000 }).catch(
    (error: { code?: unknown; stderr?: string }) => {
      if (error.code === 'ENOENT')
        throw refuse('there is no ssh on the PATH of this machine; install the client of OpenSSH')
      throw refuse(
        `${printable((error.stderr ?? '').trim().split('\n').slice(-2).join('; ') || messageOf(error))}; correct it`,
      )
    },
  )
  const settings = new Map<string, string[]>()
  for (const line of stdout.split('\n')) {
    const at = line.indexOf(' ')
    if (at < 0) continue
    const name = line.slice(0, at)
    settings.set(name, [...(settings.get(name) ?? []), line.slice(at + 1)])
  }
  return settings
}
