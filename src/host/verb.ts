import { readFileSync } from 'node:fs'
import { shellQuote } from './shell.ts'
import type { SudoDialog } from './sudo.ts'

const part = (name: string) => readFileSync(new URL(`./${name}.sh`, import.meta.url), 'utf8')
const common = ['begin', 'transaction', 'relay', 'drift', 'garbage'].map(part).join('')

export type Verb = 'probe' | 'push' | 'remove' | 'survey' | 'inventory' | 'attach'

/** The whole text of a verb, as shellcheck reads it. */
export function verbText(verb: Verb): string {
  return common + (verb === 'probe' ? part('running') : '') + part(verb)
}

/**
 * The line that is run on a host, whatever the verb. It is short and holds no newline, backslash, exclamation mark
 * or inner quote, so csh and fish read it as sh does, and sudo's log stays readable. `read` takes one line and not a
 * byte more (POSIX, `read`: it may not read ahead on a pipe), so the verb's own stdin follows.
 */
export function commandLine(verb: Verb, sudo: boolean | Pick<SudoDialog, 'prefix' | 'announce'> = false): string {
  const { prefix, announce } = typeof sudo === 'object' ? sudo : { prefix: sudo ? 'sudo -n ' : '', announce: '' }
  return `${prefix}sh -c '${announce}IFS= read -r script && eval "$(printf %b "$script")"' pgoci-${verb}`
}

/** The first line of stdin: the words as `$1` and so on, then the text, for `printf %b` to unfold. */
export function scriptLine(text: string, words: readonly string[]): string {
  const script = `set -- ${shellQuote(words)}\n${text.replace(/^ *#.*$/gm, '')}`
  return `${script.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`
}
