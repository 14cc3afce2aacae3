import { machine } from 'node:os'
import { InvalidArgumentError } from 'commander'
import { formatPlatform, parsePlatform, platformOfMachine } from '../model/platform.ts'

/** The value of `--platform`. */
export function platformArgument(text: string): string {
  const platform = parsePlatform(text)
  if (platform) return formatPlatform(platform)
  throw new InvalidArgumentError('Expected OS/ARCHITECTURE, as in linux/arm64.')
}

/** What a Linux host on a machine like this one runs. */
export function platformHere(): string {
  return formatPlatform(platformOfMachine(machine()) ?? { os: 'linux', architecture: machine() })
}
