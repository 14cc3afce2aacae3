import { z } from 'zod'
import { type Lock, lockFileName } from '../engine/lock-file.ts'
import type { Entries } from '../engine/lock-set.ts'
import { canMove, type Standing, standingOfImage, standingOfName, standingSchema } from '../engine/outdated.ts'
import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { namesFor, readLock, stateEntries } from './lock-entries.ts'
import { writeLines } from './output.ts'
import { Exit, type Verb } from './verb.ts'

const examples = `
Examples:
  pgoci outdated                 what pgoci.lock.json has
  pgoci outdated prod            what the stack prod runs
  pgoci outdated --json | jq -r '.outdated[] | [.what, .current, .latest] | @tsv'

Exit codes: 0, nothing could move; 1, something could; 2, it could not be told, and why, or a wrong command line.`

/** What `pgoci outdated --json` prints: docs/schemas/outdated.json is made of it. */
export const outdatedSchema = z
  .object({ outdated: z.array(standingSchema), current: z.array(standingSchema).describe('what could not move') })
  .meta({ title: 'pgoci outdated --json' })

/** `pgoci outdated`: what could move, and what cannot, with why. */
export const outdated: Verb = (program, terminal) => {
  program
    .command('outdated')
    .summary('list what is locked or pinned and could move')
    .description(
      'Asks registries for newer versions and moved tags of what a lock file or a stack has. It changes nothing.',
    )
    .argument('[what]', 'a lock file, a stack, or what pulumi stack export printed', lockFileName)
    .option('--json', 'print JSON (docs/schemas/outdated.json)')
    .addHelpText('after', examples)
    .action(async (what: string, { json }: { json?: true }) => {
      const { stdout, signal } = terminal
      const all = await look(what).catch((error: unknown) => {
        throw new Exit(2, { cause: error })
      })
      signal.throwIfAborted()
      const found = { outdated: all.filter(canMove), current: all.filter((one) => !canMove(one)) }
      await writeLines(stdout, json ? [JSON.stringify(found, null, 2)] : text(found))
      if (found.outdated.length > 0) throw new Exit(1)
    })

  const look = async (what: string): Promise<Standing[]> => {
    const entries = await entriesOf(what)
    const names = await namesFor(what, terminal)
    if (entries.names.length + entries.images.length === 0)
      throw new ProviderError(
        'NOT_FOUND',
        `Cannot look for newer versions: ${quote(what)} has none by name or tag; write it with npx pgoci lock`,
      )
    const all: Standing[] = []
    for (const one of entries.names) all.push(await standingOfName(one, names))
    for (const one of entries.images) all.push(await standingOfImage(one, names))
    return all
  }
  const entriesOf = async (what: string): Promise<Lock | Entries> =>
    (await stateEntries(what, terminal)) ?? readLock(what)
}

function text({ outdated, current }: z.infer<typeof outdatedSchema>): string[] {
  const lines = outdated.flatMap((one) => [`${one.what}  ${one.for}`, ...reasons(one).map((line) => `  ${line}`)])
  const stays = current.flatMap((one) =>
    one.newer.map((line) => `${one.what}  ${one.for}\n  stays at ${one.current}; ${line}`),
  )
  const count = `${outdated.length} could move, ${current.length} could not`
  return [...lines, ...stays.flatMap((line) => line.split('\n')), count].map((line) => printable(line, 1000))
}

function reasons({ current, wanted, latest, isMoved, newer }: Standing): string[] {
  const told: string[] = []
  if (wanted === undefined && latest !== undefined)
    told.push(`${current} is gone; the program asks for nothing that is there`)
  else if (wanted !== undefined && wanted !== current)
    told.push(`${current} → ${wanted}: asked for, and fits; npx pgoci lock --update, or a new repin`)
  if (latest !== undefined && latest !== current && latest !== wanted)
    told.push(`${current} → ${latest}: fits, and the program asks for another version`)
  if (isMoved) told.push(`${current}: its tag was moved to another image, which may be a rebuild or something else`)
  return [...told, ...newer]
}
