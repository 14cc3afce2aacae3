import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import { type Cache, openCache } from '../oci/cache.ts'
import type { Environment } from '../oci/environment.ts'
import { parseSettings } from '../oci/settings.ts'

/** What a command line reads and writes. */
export interface Terminal {
  readonly env: NodeJS.ProcessEnv
  readonly stdout: Writable
  readonly stderr: Writable
  readonly signal: AbortSignal
}

/** Adds one verb; its action resolves for exit code 0, and throws a ProviderError for 1. */
export type Verb = (program: Command, terminal: Terminal) => void

/** Registries and the cache as `pulumi up` has them, with PGOCI_REGISTRIES for the stack's settings. */
export function readingOf({ env, stderr }: Terminal): { readonly environment: Environment; readonly cache: Cache } {
  const log = (line: string) => void stderr.write(`${line}\n`)
  const environment = { settings: parseSettings(env['PGOCI_REGISTRIES'] || '{}'), env, log }
  return { environment, cache: openCache(env['PGOCI_CACHE'] || undefined, { log }) }
}
