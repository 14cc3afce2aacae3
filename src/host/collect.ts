import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ProviderError } from '../model/error.ts'
import type { ExecOptions, ExecResult } from './transport.ts'

/** A started command, as a child process or an SSH channel gives it. */
interface Running {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  readonly ended: Promise<number | undefined>
  stop(): void
}

const stderrTail = 64 * 1024

/**
 * Feeds a command and gathers what it says. stderr is always drained: a full window there would hang the command
 * without any event (D-ssh, fact 10). How feeding ended is no evidence either way, because a remote tar may stop
 * reading early and succeed; a source of ours that fails, though, is the caller's failure.
 */
export async function collect(running: Running, options: ExecOptions): Promise<ExecResult> {
  const maxOutput = options.maxOutput ?? 256 * 1024 * 1024
  const output: Buffer[] = []
  let size = 0
  let tooLong = false
  running.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= maxOutput) output.push(chunk)
    else if (!tooLong) {
      tooLong = true
      running.stop()
    }
  })
  let errors = Buffer.alloc(0)
  running.stderr.on('data', (chunk: Buffer) => {
    errors = Buffer.concat([errors, chunk]).subarray(-stderrTail)
  })
  const source = typeof options.stdin === 'object' ? options.stdin : Readable.from([options.stdin ?? ''])
  let sourceError: unknown
  source.once('error', (error) => {
    sourceError = error
  })
  const fed = pipeline(source, running.stdin).catch(() => {})
  const code = await running.ended
  source.destroy()
  await fed
  options.signal?.throwIfAborted()
  // A destroyed source reports our own destroy as an abort; only an error before the end is its own.
  if (sourceError instanceof Error && (sourceError as NodeJS.ErrnoException).code !== 'ABORT_ERR') throw sourceError
  if (tooLong)
    throw new ProviderError('LIMIT_EXCEEDED', `Cannot read the answer of a host: more than ${maxOutput} bytes`)
  return { code, stdout: Buffer.concat(output).toString('utf8'), stderr: errors.toString('utf8') }
}
