import { writeFile } from 'node:fs/promises'
import { InvalidArgumentError } from 'commander'
import { formatLock, lockFileName, parseLock } from '../engine/lock-file.ts'
import type { Entries } from '../engine/lock-set.ts'
import { printable } from '../model/quote.ts'
import { noSystem } from '../postgres/os-release.ts'
import { type EntryOptions, entriesFor, namesOf, readLock } from './lock-entries.ts'
import { lines, lockReportSchema, report } from './lock-report.ts'
import { writeLines } from './output.ts'
import { platformArgument } from './platform.ts'
import type { Verb } from './verb.ts'

const examples = `
What is a file with a distribution and its extensions (image, repository, extensions, platforms: docs/names.md), the
state of a stack, by its name or as pulumi stack export printed it, or, with --repository, NAME or NAME@VERSION.

Examples:
  pgoci lock orders.yaml                      all that orders.yaml means, and what its extensions require
  pgoci lock prod                             what the stack prod runs, for all other stacks
  pgoci lock orders.yaml --update             the same as the first, looked for anew
  pgoci lock --repository 'registry.example.com/ext/{name}:{version}-pg{major}-{os}' --major 17 --os bookworm \\
    --platform linux/amd64 --platform linux/arm64 postgis timescaledb@2.13.0

Exit codes: 0, written or as it was; 1, not written, and why; 2, a wrong command line.`

interface Options extends EntryOptions {
  readonly file: string
  readonly update?: true
  readonly prune?: true
  readonly json?: true
}

/** `pgoci lock`: writes what names and tags mean into a file that stacks keep to. */
export const lock: Verb = (program, terminal) => {
  const collected = (text: string, former: readonly string[] = []) => [...former, platformArgument(text)]
  program
    .command('lock')
    .summary('write what names and tags mean into pgoci.lock.json')
    .description('Finds the images that names and tags mean, and writes them down for every stack and every machine.')
    .argument('<what...>', 'files, stacks, or names')
    .option('--repository <template>', 'where names are looked up')
    .option('--major <number>', 'of Postgres, for names', majorArgument)
    .option('--os <name>', "of the distribution's image, for names: as in bookworm", noSystem)
    .option('--platform <platform>', 'of the hosts; may be given again (default: that of this machine)', collected)
    .option('--file <path>', 'the lock file', lockFileName)
    .option('--update', 'look for all of it anew, not only for what is not locked')
    .option('--prune', 'take out what is not asked for now')
    .option('--json', 'print JSON (docs/schemas/lock-report.json)')
    .addHelpText('after', examples)
    .action(async (what: string[], options: Options) => {
      const { stdout, stderr } = terminal
      const tell = (line: string) => void stderr.write(`${printable(line)}\n`)
      const before = await readLock(options.file)
      const former = options.update ? { ...before, names: [], images: [] } : before
      const all: Entries = { names: [], images: [] }
      // One for all, so that a repository which several of them name is listed once.
      const names = namesOf(terminal)
      for (const text of what) {
        const found = await entriesFor(text, options, { terminal, lock: { names, former, tell } })
        all.names.push(...found.names)
        all.images.push(...found.images)
      }
      const kept = options.prune ? { names: [], images: [] } : before
      const after = formatLock({ names: [...kept.names, ...all.names], images: [...kept.images, ...all.images] })
      const isUnchanged = after === formatLock(before)
      if (!isUnchanged || before.names.length + before.images.length === 0) await writeFile(options.file, after)
      const result = { ...report(before, parseLock(after, options.file)), file: options.file, isUnchanged }
      await writeLines(stdout, options.json ? [JSON.stringify(lockReportSchema.parse(result), null, 2)] : lines(result))
    })
}

function majorArgument(text: string): number {
  const major = Number(text)
  if (Number.isInteger(major) && major >= 9 && major <= 99) return major
  throw new InvalidArgumentError('Expected a major version of Postgres, as in 17.')
}
