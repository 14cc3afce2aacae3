import { spawnSync } from 'node:child_process'
import { shellQuote } from '../../src/host/shell.ts'
import { type Verb, verbText } from '../../src/host/verb.ts'
import type { Sent } from '../support/damage.ts'

const isCode = (line: string) => line.trim() !== '' && !line.trim().startsWith('#')
const kept = new Map<Verb, readonly number[]>()

/** The lines of a verb that begin a statement, so that another one can stand before them. */
export function statementLines(verb: Verb): readonly number[] {
  const known = kept.get(verb)
  if (known) return known
  const lines = verbText(verb).split('\n')
  const candidates = [...lines.keys()].filter((index) => {
    const previous = lines.slice(0, index).findLast(isCode) ?? ''
    return isCode(lines[index] ?? '') && !/(\|\||&&|\||\\|\bin|\{ cd .*)$/.test(previous)
  })
  const withLine = (statement: string) => candidates.map((index) => lines.toSpliced(index, 0, statement).join('\n'))
  // A line within quotes takes anything, even what is no statement.
  const [good, bad] = [whichParse(withLine(':')), whichParse(withLine('fi'))]
  const found = candidates.filter((_, at) => good[at] && !bad[at])
  kept.set(verb, found)
  return found
}

/** A function's body is parsed and not run; one shell does it for all texts. */
function whichParse(texts: readonly string[]): readonly boolean[] {
  const checks = texts.map((text) => `(eval ${shellQuote([`f() {\n${text}\n}`])}) 2>/dev/null && echo yes || echo no\n`)
  const { stdout } = spawnSync('sh', [], { input: checks.join(''), maxBuffer: 2 ** 24 })
  return stdout
    .toString()
    .trim()
    .split('\n')
    .map((word) => word === 'yes')
}

/** Puts statements before lines of a script that is on its way; it has lost its comments, and words stand before it. */
export function insertStatements(sent: Sent, verb: Verb, statements: ReadonlyMap<number, string>): void {
  const lines = sent.script.split('\n')
  const first = lines.indexOf('set -u') - verbText(verb).split('\n').indexOf('set -u')
  sent.script = lines
    .flatMap((line, index) => {
      const statement = statements.get(index - first)
      // What comes next may ask how the statement before ended: a function's `}` does.
      return statement === undefined ? [line] : [`ended=$?; ${statement}`, '(exit $ended)', line]
    })
    .join('\n')
}
