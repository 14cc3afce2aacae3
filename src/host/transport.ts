import type { Readable } from 'node:stream'

/** What a command on a host did; the same fields whether it went well or not. */
export interface ExecResult {
  /** `undefined` when the channel closed without a status: the outcome is unknown and must be probed again. */
  readonly code: number | undefined
  readonly stdout: string
  /** The last 64 KiB. */
  readonly stderr: string
  /** Why the connection ended before the command did, where that is known. */
  readonly lost?: string
}

export interface ExecOptions {
  readonly stdin?: Readable | string
  /** Longest stdout in bytes, default 256 MiB; more ends the command. */
  readonly maxOutput?: number
  /** How many milliseconds may pass without a byte in either direction, default 15 minutes. */
  readonly silence?: number
  readonly signal?: AbortSignal
  /** Hears stdout while it comes; the result has it all the same. */
  readonly onOutput?: (chunk: Buffer) => void
  /** The same for stderr. */
  readonly onErrors?: (chunk: Buffer) => void
}

/** A way to run a command line on a host: everything we do there is "run this, feed it bytes, read its answer". */
export interface Transport {
  /** For messages: `deploy@db1.example.com`. */
  readonly name: string
  /**
   * Resolves for any end of the command, a lost connection included.
   *
   * @throws ProviderError HOST_UNREACHABLE when the command could not be started or says nothing for too long,
   * LIMIT_EXCEEDED; the reason of `signal`; the error of `stdin`
   */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>
  close(): Promise<void>
}
