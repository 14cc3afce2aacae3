import { tmpdir } from 'node:os'
import { InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { packing } from '../engine/pack.ts'
import { distributionName, type Member } from '../engine/record.ts'
import { chooseFormer, type Former, listFormer, rollBack } from '../engine/rollback.ts'
import type { StoreTarget } from '../host/store.ts'
import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import { type HostOptions, hostHelp, takeHost, withStore } from './host.ts'
import { writeLines } from './output.ts'
import type { Verb } from './verb.ts'

const examples = `${hostHelp}

Examples:
  pgoci rollback ssh://deploy@db1.example.com --sudo --list
  pgoci rollback ssh://deploy@db1.example.com --sudo --yes
  pgoci rollback db1.json --instance orders --to 41 --yes

Exit codes: 0, rolled back, or listed; 1, not rolled back, and why; 2, a wrong command line.`

const image = z.object({
  name: z.string().describe('"distribution", or the name of the extension'),
  reference: z.string().describe('as the program wrote it'),
  image: z.string().describe('name@sha256:…'),
  version: z.string().optional().describe('of Postgres'),
})

/** What `pgoci rollback --json` prints: docs/schemas/rollback.json is made of it. */
export const rollbackSchema = z
  .object({
    host: z.string(),
    instance: z.string(),
    made: z
      .object({ generation: z.int(), from: z.int(), to: z.int() })
      .optional()
      .describe('the generation that was made of an older one; missing with --list'),
    generations: z
      .array(
        z.object({
          generation: z.int(),
          when: z.string(),
          who: z.string(),
          isCurrent: z.boolean(),
          rolledBackTo: z.int().optional().describe('its members are those of this generation'),
          deviations: z.int().describe('entries of its trees that are missing, added or damaged'),
          running: z
            .array(z.object({ pid: z.int(), since: z.string() }))
            .describe(
              'servers that were started from its Postgres; generations with the same one name the same servers',
            ),
          members: z.array(image),
        }),
      )
      .describe('what the host keeps, the newest first, before anything was rolled back'),
  })
  .meta({ title: 'pgoci rollback --json' })

interface Options extends HostOptions {
  readonly to?: number
  readonly list?: true
  readonly json?: true
  readonly yes?: true
}

/** `pgoci rollback`: a host's former state, without a network, a registry or a stack. */
export const rollback: Verb = (program, terminal) => {
  const command = program
    .command('rollback')
    .summary('make a former state of a host current again')
    .description(
      'For emergencies: switches an instance to a generation that the host still has. It needs nothing but SSH, reads every file before it switches, and starts or stops nothing. The next pulumi preview --refresh shows it as drift, the next pulumi up goes forward again.',
    )
  takeHost(command)
    .option('--to <generation>', 'which one (default: the one before)', generationArgument)
    .option('--list', 'print the generations that there are, and change nothing')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON (docs/schemas/rollback.json)')
    .addHelpText('after', examples)
    .action(async (host: string, options: Options) => {
      const { stdout } = terminal
      const lines = await withStore(host, options, (target) => act(target, options), terminal)
      await writeLines(stdout, lines)
    })

  const act = async (target: StoreTarget, { to, list, json, yes }: Options): Promise<string[]> => {
    const { signal, stderr } = terminal
    const { former } = await listFormer(target, { signal })
    const place = `${target.root}/instances/${target.instance} on ${target.transport.name}`
    const found = { host: target.transport.name, instance: target.instance, generations: former.map(describe) }
    if (list) return json ? [JSON.stringify(found, null, 2)] : former.flatMap(text)
    const chosen = chooseFormer(former, to, place)
    const current = former.find(({ isCurrent }) => isCurrent)
    if (!yes) {
      stderr.write(`${[...(current ? text(current) : []), 'becomes', ...text(chosen)].join('\n')}\n`)
      if (!(await terminal.ask?.(`Roll back ${place}?`)))
        throw new ProviderError(
          'ABORTED',
          `Nothing was changed on ${target.transport.name}; --yes rolls back without asking`,
        )
    }
    const packs = packing(tmpdir())
    const generation = await rollBack(target, chosen, { who: target.holder, packing: packs, signal })
    const made = { generation, from: current?.generation ?? 0, to: chosen.generation }
    if (json) return [JSON.stringify({ ...found, made }, null, 2)]
    return [
      `Rolled back ${place} to generation ${chosen.generation}, which is generation ${generation} now`,
      'Running servers see its extensions at once, and another Postgres when they are restarted',
      'pulumi preview --refresh shows this as drift; pulumi up goes forward again, unless the program declares these images',
    ]
  }
}

function generationArgument(value: string): number {
  const number = Number(value)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new InvalidArgumentError('Expected the number of a generation; --list prints them.')
}

function describe({ generation, record, isCurrent, deviations, running }: Former) {
  const { when, who, members, rolledBack } = record
  return {
    ...{ generation, when, who, isCurrent, ...(rolledBack ? { rolledBackTo: rolledBack.to } : {}), deviations },
    running: running.map(({ pid, since }) => ({ pid, since: new Date(since * 1000).toISOString() })),
    members: members.map(({ name, reference, image, facts }) => ({
      ...{ name, reference, image },
      ...(facts && 'postgresVersion' in facts ? { version: facts.postgresVersion } : {}),
    })),
  }
}

function text({ generation, record, isCurrent, deviations, running }: Former): string[] {
  const notes = [
    ...(isCurrent ? ['current'] : []),
    ...(record.rolledBack ? [`rolled back to ${record.rolledBack.to}`] : []),
    ...(running.length > 0 ? [`runs as ${running.map(({ pid }) => pid).join(', ')}`] : []),
    ...(deviations > 0 ? [`${deviations} entries missing, added or damaged`] : []),
  ]
  const head = [String(generation), record.when, record.who, ...(notes.length > 0 ? [`(${notes.join(', ')})`] : [])]
  return [head.map((word) => printable(word)).join('  '), ...record.members.map((member) => `  ${memberText(member)}`)]
}

function memberText({ name, reference, facts }: Member): string {
  const version = facts && 'postgresVersion' in facts ? ` ${facts.postgresVersion}` : ''
  return printable(`${name === distributionName ? `Postgres${version}` : name}  ${reference}`, 1000)
}
