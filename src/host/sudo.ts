import { Readable } from 'node:stream'
import { notStarted, wrongSudoPassword } from './not-started.ts'
import type { ExecOptions, ExecResult, Transport } from './transport.ts'

/** How to become root: not at all, without a password, or with one. */
export type Sudo = boolean | { readonly password: string }

/** What is typed at sudo, and what it says back, for one command. */
export interface SudoDialog {
  /** What goes before the command, and into its `sh -c '…'` before all else. */
  readonly prefix: string
  readonly announce: string
  /** Gives the password when it is asked for, and `stdin` only when the command runs. */
  stdin(stdin: Readable): Readable
  readonly listeners: Required<Pick<ExecOptions, 'onOutput' | 'onErrors'>>
  /** Why the command did not run. */
  refusal(result: ExecResult): Error
  /** The command has ended: nobody waits any more. */
  end(): void
}

/** Where it was wrong once: a second try could lock the account. */
const wrongPasswords = new WeakMap<Transport, Error>()

/** Who neither asks nor runs anything is no sudo, but waits for what we send: a ForceCommand does. */
const longestWait = 60_000

/**
 * A host that wants no password must not get one: it would go to the command, as the first line of its script. So the
 * password is sent when the prompt is seen, once, and the script when the command says that it runs (D-ssh, 5).
 *
 * @throws what it was refused with on this transport before
 */
export function sudoDialog(transport: Transport, password: string, nonce: string): SudoDialog {
  const known = wrongPasswords.get(transport)
  if (known) throw known
  const prompt = `PASSWORD-${nonce}:`
  const ready = `READY-${nonce}`
  const asked = Promise.withResolvers<boolean>()
  const runs = Promise.withResolvers<boolean>()
  let errors = ''
  let output = ''
  const isAskedAgain = () => errors.split(prompt).length > 2
  let timer: NodeJS.Timeout | undefined
  const end = () => {
    clearTimeout(timer)
    asked.resolve(false)
    runs.resolve(false)
  }
  return {
    prefix: `sudo -k -S -p ${prompt} `,
    announce: `echo ${ready}; `,
    listeners: {
      onErrors: (chunk) => {
        errors = (errors + chunk.toString('latin1')).slice(-4096)
        if (!errors.includes(prompt)) return
        clearTimeout(timer)
        asked.resolve(true)
        // Another try would be as wrong, and accounts are locked for it.
        if (isAskedAgain()) end()
      },
      onOutput: (chunk) => {
        if (output.includes(ready)) return
        output = (output + chunk.toString('latin1')).slice(-65536)
        if (!output.includes(ready)) return
        clearTimeout(timer)
        asked.resolve(false)
        runs.resolve(true)
      },
    },
    stdin: (stdin) => {
      // Whoever is refused before the first byte never reads it; its error has no other listener then.
      stdin.on('error', () => {})
      const typed = async function* () {
        timer = setTimeout(end, longestWait)
        if (await asked.promise) yield Buffer.from(`${password}\n`)
        if (await runs.promise) yield* stdin as AsyncIterable<Buffer>
      }
      return Readable.from(typed(), { objectMode: false, highWaterMark: 256 * 1024 }).once('close', () =>
        stdin.destroy(),
      )
    },
    refusal: (result) => {
      if (!isAskedAgain())
        return notStarted(transport.name, { ...result, stderr: result.stderr.replaceAll(prompt, '') }, true)
      const error = wrongSudoPassword(transport.name)
      wrongPasswords.set(transport, error)
      return error
    },
    end,
  }
}
