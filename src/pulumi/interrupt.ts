import { ProviderError } from '../model/error.ts'

const interrupted = new AbortController()
let running = 0

/** Aborts when the engine wants us to stop. */
export const signal: AbortSignal = interrupted.signal

// SIGINT is all the engine sends: at a user's Ctrl-C, and at the end of every run, five seconds before SIGKILL. So an
// idle process must end at once, or each `up` waits those five seconds.
process.on('SIGINT', () => {
  interrupted.abort(new ProviderError('ABORTED', 'Stopped in the middle; the next up goes on from what is there'))
  if (running === 0) process.exit(0)
})

/** The answer of the last operation still has to leave this process. */
const farewellMs = 200

/**
 * Runs a handler of the provider. The dynamic provider sends an error's message, which Pulumi shows at the resource,
 * and prints `${error}: ${error.stack}` beside it: that is `ProviderError: HOST_UNREACHABLE` unless PGOCI_DEBUG is set.
 */
export function operation<A extends unknown[], R>(handler: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return async (...args) => {
    running += 1
    try {
      return await handler(...args)
    } catch (error) {
      if (error instanceof Error && !process.env['PGOCI_DEBUG']) {
        error.stack = error instanceof ProviderError ? error.code : error.message
        error.toString = () => error.name
      }
      throw error
    } finally {
      running -= 1
      if (signal.aborted && running === 0) setTimeout(() => process.exit(0), farewellMs)
    }
  }
}
