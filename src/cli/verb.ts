import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import { type Cache, openCache } from '../oci/cache.ts'
import type { Environment, Log } from '../oci/environment.ts'
import { parseSettings } from '../oci/settings.ts'

/** What a command line reads and writes. */
export interface Terminal {
  readonly env: NodeJS.ProcessEnv
  readonly stdout: Writable
  readonly stderr: Writable
  readonly signal: AbortSignal
  /** Asks whoever sits there; missing where nobody does. */
  readonly ask?: (question: string) => Promise<boolean>
}

/** Ends a verb with an exit code of its own; `cause` is what stderr says, if anything. */
export class Exit extends Error {
  readonly code: number

  constructor(code: number, options?: { cause?: unknown }) {
    super(`exit ${code}`, options)
    this.code = code
  }
}

/** Adds one verb; its action resolves for exit code 0, throws a ProviderError for 1, and {@link Exit} for another. */
export type Verb = (program: Command, terminal: Terminal) => void

interface Reading {
  readonly environment: Environment
  readonly cache: Cache
  readonly log: Log
}

/** Registries and the cache as `pulumi up` has them, with PGOCI_REGISTRIES and PGOCI_BUNDLE for its stack's settings. */
export function readingOf({ env, stderr }: Terminal): Reading {
  const log = (line: string) => void stderr.write(`${line}\n`)
  const settings = parseSettings(env['PGOCI_REGISTRIES'] || '{}')
  const environment = { settings, bundle: env['PGOCI_BUNDLE'] || undefined, env, log }
  return { environment, log, cache: openCache(env['PGOCI_CACHE'] || undefined, { log }) }
}
