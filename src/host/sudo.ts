import { Readable } from 'node:stream'
import type { ExecOptions } from './transport.ts'

/** How to become root: not at all, without a password, or with one. */
export type Sudo = boolean | { readonly password: string }

/** What is typed at sudo, and what it says back, for one command. */
export interface SudoDialog {
  /** What goes before the command, and into its `sh -c '…'` before all else. */
  readonly prefix: string
  readonly announce: string
  /** Gives the password when it is asked for, and `stdin` only when the command runs. */
  stdin(stdin: Readable): Readable
  readonly listeners: Pick<ExecOptions, 'onOutput' | 'onErrors'>
  /** What it said, without our prompt. */
  clean(text: string): string
  isWrong(): boolean
  /** The command has ended: nobody waits any more. */
  end(): void
}

/**
 * A host that wants no password must not get one: it would go to the command, as the first line of its script. So the
 * password is sent when the prompt is seen, once, and the script when the command says that it runs (D-ssh, 5).
 */
export function sudoDialog(password: string, nonce: string): SudoDialog {
  const prompt = `PASSWORD-${nonce}:`
  const ready = `READY-${nonce}`
  const asked = Promise.withResolvers<boolean>()
  const runs = Promise.withResolvers<boolean>()
  let errors = ''
  let output = ''
  const isAskedAgain = () => errors.split(prompt).length > 2
  const end = () => {
    asked.resolve(false)
    runs.resolve(false)
  }
  return {
    prefix: `sudo -k -S -p ${prompt} `,
    announce: `echo ${ready}; `,
    listeners: {
      onErrors: (chunk) => {
        errors = (errors + chunk.toString('latin1')).slice(-4096)
        if (errors.includes(prompt)) asked.resolve(true)
        // Another try would be as wrong, and accounts are locked for it.
        if (isAskedAgain()) end()
      },
      onOutput: (chunk) => {
        if (output.includes(ready)) return
        output = (output + chunk.toString('latin1')).slice(-65536)
        if (!output.includes(ready)) return
        asked.resolve(false)
        runs.resolve(true)
      },
    },
    stdin: (stdin) => {
      // Whoever is refused before the first byte never reads it; its error has no other listener then.
      stdin.on('error', () => {})
      const typed = async function* () {
        if (await asked.promise) yield Buffer.from(`${password}\n`)
        if (await runs.promise) yield* stdin as AsyncIterable<Buffer>
      }
      return Readable.from(typed(), { objectMode: false, highWaterMark: 256 * 1024 }).once('close', () =>
        stdin.destroy(),
      )
    },
    clean: (text) => text.replaceAll(prompt, ''),
    isWrong: isAskedAgain,
    end,
  }
}
