import { parseLockWait } from '../host/waiting.ts'

let configured: string | undefined

/** Takes the stack's setting, which comes before the environment's PGOCI_LOCK_WAIT. */
export function configureLockWait(text: string | undefined): void {
  configured = text
}

/** How many seconds to wait for a host's lock. */
export function lockWait(): number {
  return parseLockWait(configured ?? process.env['PGOCI_LOCK_WAIT'])
}
