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
const maxPatience = 60_000

export async function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await setTimeout(milliseconds, undefined, signal ? { signal } : {})
  } catch (error) {
    throw signal?.aborted ? signal.reason : error
  }
}

/** What can be another answer a moment later; other 4xx stay what they are, and so does "not implemented". */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505)
}

/** How long to wait after an attempt: half a second, doubled each time, and spread so that not all come at once. */
export function delayAfter(attempt: number): number {
  return Math.round(250 * 2 ** attempt * (0.75 + Math.random() / 2))
}

/** How long a server asks us to wait (RFC 9110, 10.2.3: seconds or a date). What is past or no number is nothing. */
export function patienceOf(retryAfter: unknown, now: number): number | undefined {
  if (typeof retryAfter !== 'string') return undefined
  const milliseconds = /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now
  return milliseconds >= 0 ? Math.min(milliseconds, maxPatience) : undefined
}
