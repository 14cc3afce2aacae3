import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ProviderError } from '../model/error.ts'
import type { ExecOptions, ExecResult } from './transport.ts'

/** A started command, as a child process or an SSH channel gives it. */
export interface Running {
  /** Of the host, for messages. */
  readonly name: string
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  readonly ended: Promise<Pick<ExecResult, 'code' | 'lost'>>
  stop(): void
}

const stderrTail = 64 * 1024
// Longer than anything that a host does in silence: waiting for the lock, hashing a new distribution, sync.
const longestSilence = 15 * 60_000

/**
 * Feeds a command and gathers what it says. stderr is always drained: a full window there would hang the command
 * without any event (D-ssh, fact 10). How feeding ended is no evidence either way, because a remote tar may stop
 * reading early and succeed; a source of ours that fails, though, is the caller's failure.
 */
export async function collect(running: Running, options: ExecOptions): Promise<ExecResult> {
  const maxOutput = options.maxOutput ?? 256 * 1024 * 1024
  const ending = new AbortController()
  const output: Buffer[] = []
  let size = 0
  running.stdout.on('data', (chunk: Buffer) => {
    silence.refresh()
    size += chunk.length
    options.onOutput?.(chunk)
    if (size <= maxOutput) output.push(chunk)
    else
      ending.abort(
        new ProviderError('LIMIT_EXCEEDED', `Cannot read the answer of ${running.name}: more than ${maxOutput} bytes`),
      )
  })
  let errors = Buffer.alloc(0)
  running.stderr.on('data', (chunk: Buffer) => {
    silence.refresh()
    options.onErrors?.(chunk)
    errors = Buffer.concat([errors, chunk.subarray(-stderrTail)]).subarray(-stderrTail)
  })
  // A stream that was looked into before has stopped.
  running.stdout.resume()
  running.stderr.resume()
  const silence = setTimeout(
    () => ending.abort(silent(running.name, options.silence)),
    options.silence ?? longestSilence,
  )
  const onAbort = () => ending.abort(options.signal?.reason)
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.signal?.aborted) onAbort()

  const source = typeof options.stdin === 'object' ? options.stdin : Readable.from([options.stdin ?? ''])
  let sourceError: unknown
  pipeline(async function* () {
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        silence.refresh()
        yield chunk
      }
    } catch (error) {
      // Only what the source itself throws; that a command stopped reading ends the loop without an error.
      sourceError = error
      throw error
    }
  }, running.stdin).catch(() => {})
  const stopped = new Promise<never>((_resolve, reject) => {
    const stop = () => {
      // What does not answer may not close either, so nobody waits for it.
      running.stop()
      running.stdin.destroy()
      reject(ending.signal.reason)
    }
    if (ending.signal.aborted) stop()
    else ending.signal.addEventListener('abort', stop, { once: true })
  })
  try {
    const end = await Promise.race([running.ended, stopped])
    source.destroy()
    if (sourceError !== undefined) throw sourceError
    return { ...end, stdout: Buffer.concat(output).toString('utf8'), stderr: errors.toString('utf8') }
  } finally {
    source.destroy()
    clearTimeout(silence)
    options.signal?.removeEventListener('abort', onAbort)
  }
}

function silent(name: string, limit = longestSilence): ProviderError {
  return new ProviderError(
    'HOST_UNREACHABLE',
    `Cannot tell what happened on ${name}: it has said nothing for ${Math.round(limit / 1000)} s; look for a stuck disk or process there, then run it again`,
  )
}
