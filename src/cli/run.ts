import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { messageOf, ProviderError } from '../model/error.ts'
import { bundle } from './bundle.ts'
import { inspect } from './inspect.ts'
import type { Terminal, Verb } from './verb.ts'

/** Each is a file of its own. */
const verbs: readonly Verb[] = [inspect, bundle]

const usageError = 2

/**
 * Runs one command line and answers with its exit code: 0 for success, 1 for what was refused or failed (why is on
 * stderr), 2 for words that it does not understand.
 */
export async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const program = new Command('pgoci')
    .description('What people do around `pulumi up` with Postgres distributions and extensions in OCI images')
    .version(versionOfPackage())
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    })
    .exitOverride()
    .showHelpAfterError('(pgoci --help tells more)')
  for (const add of verbs) add(program, terminal)
  try {
    await program.parseAsync(words, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageError
    const isOurs = error instanceof ProviderError && !terminal.env['PGOCI_DEBUG']
    terminal.stderr.write(`${isOurs ? messageOf(error) : ((error as Error)?.stack ?? messageOf(error))}\n`)
    return 1
  }
}

function versionOfPackage(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return String(version)
}
