import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { messageOf, ProviderError } from '../model/error.ts'
import { bundle } from './bundle.ts'
import { diff } from './diff.ts'
import { drift } from './drift.ts'
import { importHost } from './import.ts'
import { inspect } from './inspect.ts'
import { lock } from './lock.ts'
import { outdated } from './outdated.ts'
import { rollback } from './rollback.ts'
import { Exit, type Terminal, type Verb } from './verb.ts'

/** Each is a file of its own. */
const verbs: readonly Verb[] = [inspect, diff, bundle, lock, outdated, drift, rollback, importHost]

const usageError = 2

/**
 * Runs one command line and answers with its exit code: 0 for success, 1 for what was refused or failed (why is on
 * stderr), 2 for words that it does not understand. `diff`, `drift` and `outdated` have their own: 1 says that there is
 * some, 2 any trouble.
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
    const { code, cause } = error instanceof Exit ? error : { code: 1, cause: error }
    const isOurs = cause instanceof ProviderError && !terminal.env['PGOCI_DEBUG']
    if (cause) terminal.stderr.write(`${isOurs ? messageOf(cause) : ((cause as Error).stack ?? messageOf(cause))}\n`)
    return code
  }
}

function versionOfPackage(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return String(version)
}
