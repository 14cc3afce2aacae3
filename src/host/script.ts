import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { notStarted, stoppedShort } from './not-started.ts'
import { refused } from './refusal.ts'
import { type Sudo, sudoDialog } from './sudo.ts'
import type { Transport } from './transport.ts'
import { commandLine, scriptLine, type Verb, verbText } from './verb.ts'
import { hearWaiting } from './waiting.ts'

export interface ScriptOptions {
  readonly stdin?: Readable | string
  readonly sudo?: Sudo
  readonly signal?: AbortSignal
  /** Is told for whom the host's lock waits, in lines for people. */
  readonly waiting?: { readonly limit: number; readonly tell: (line: string) => void } | undefined
}

/**
 * Runs a verb of the store on a host and returns the lines of its answer, split at tabs.
 *
 * Resolving means that the verb said OK. Anything else is an error: what the script refused by name, or, when the
 * answer stops short, HOST_UNREACHABLE, after which only a new probe tells what happened.
 */
export async function runScript(
  transport: Transport,
  verb: Verb,
  words: readonly string[],
  options: ScriptOptions = {},
): Promise<string[][]> {
  const nonce = randomUUID()
  const { stdin = '', sudo = false, waiting, ...others } = options
  const dialog = typeof sudo === 'object' ? sudoDialog(transport, sudo.password, nonce) : undefined
  const hears = waiting ? hearWaiting(nonce, { name: transport.name, ...waiting }) : undefined
  const input = joined(scriptLine(verbText(verb), [nonce, ...words]), stdin)
  const result = await transport
    .exec(commandLine(verb, dialog ?? sudo === true), {
      ...others,
      ...dialog?.listeners,
      onOutput: (chunk) => {
        dialog?.listeners.onOutput(chunk)
        hears?.(chunk)
      },
      stdin: dialog ? dialog.stdin(typeof input === 'string' ? Readable.from([Buffer.from(input)]) : input) : input,
    })
    .finally(() => dialog?.end())
  const begin = `BEGIN ${nonce}\n`
  const start = result.stdout.indexOf(begin)
  if (start < 0) throw dialog?.refusal(result) ?? notStarted(transport.name, result, sudo === true)
  const lines = result.stdout
    .slice(start + begin.length)
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'))
  // What a shell's logout adds comes after our last line, so the first one of its kind counts.
  const end = lines.findIndex(([key]) => key === 'OK' || key === 'FAIL')
  const [key, code = '', ...found] = lines[end] ?? []
  if (key === 'OK') return lines.slice(0, end + 1)
  if (key === 'FAIL') throw refused(transport.name, code, found)
  throw stoppedShort(transport.name, result)
}

function joined(line: string, stdin: Readable | string): Readable | string {
  if (typeof stdin === 'string') return line + stdin
  // Whoever refuses before the first byte never reads the stream; its error has no other listener then.
  stdin.on('error', () => {})
  const both = Readable.from(
    (async function* () {
      yield Buffer.from(line)
      yield* stdin as AsyncIterable<Buffer>
    })(),
    { objectMode: false, highWaterMark: 256 * 1024 },
  )
  both.once('close', () => stdin.destroy())
  return both
}
