import { setTimeout } from 'node:timers/promises'

/** How patient we are with a network. Tests are less so. */
export interface Network {
  /** Milliseconds without a byte after which a request has failed; 30 s by default. */
  readonly stall?: number
  /** Waits between attempts; rejects with the signal's reason. */
  readonly wait?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>
}

export const defaultStall = 30_000

/** Of one request; and of one blob, as long as it makes no progress. */
export const maxAttempts = 4

/** A minute is what c/image allows a registry to ask for. */
const maxWait = 60_000

export async function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await setTimeout(milliseconds, undefined, signal ? { signal } : {})
  } catch (error) {
    throw signal?.aborted ? signal.reason : error
  }
}

/** What can be another answer a moment later; other 4xx stay what they are (C-oci, H10). */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500
}

/** How long to wait after the attempt: what the server says, else half a second, doubled each time. */
export function delayAfter(attempt: number, retryAfter: unknown, now: number): number {
  return parseRetryAfter(retryAfter, now) ?? 250 * 2 ** attempt
}

/** RFC 9110, 10.2.3: seconds or a date. What is past or no number is as if it were not there. */
function parseRetryAfter(value: unknown, now: number): number | undefined {
  if (typeof value !== 'string') return undefined
  const milliseconds = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return milliseconds >= 0 ? Math.min(milliseconds, maxWait) : undefined
}
