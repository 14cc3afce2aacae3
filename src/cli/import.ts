import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { adopt, type ResourceSpec, resourceSpecs } from '../engine/adopt.ts'
import { packing } from '../engine/pack.ts'
import type { Connection } from '../host/connection.ts'
import { listInstances } from '../host/probe.ts'
import type { StoreTarget } from '../host/store.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { type HostOptions, hostHelp, takeHost, withHost } from './host.ts'
import { columns, writeLines } from './output.ts'
import { type Instance, programText } from './program.ts'
import { secretsOf, withoutSecrets } from './secrets.ts'
import type { Verb } from './verb.ts'

const examples = `${hostHelp}

Examples:
  pgoci import db1.json --stack shop/prod
  pgoci import db1.json --stack blog/prod --instance orders --move -o blog
  pulumi import --stack prod --file import.json --generate-code=false --protect=false --yes

Exit codes: 0, written; 1, not written, and why; 2, a wrong command line.`

/** What `pgoci import --json` prints: docs/schemas/import.json is made of it. */
export const importSchema = z
  .object({
    stack: z.string(),
    file: z.string().describe('for pulumi import --file'),
    program: z.string().describe('the program text'),
    secrets: z.array(z.string()).describe('what pulumi config set --secret has to set; they are in file, too'),
    resources: z.array(z.object({ type: z.string(), name: z.string(), id: z.string() })),
  })
  .meta({ title: 'pgoci import --json' })

interface Options extends HostOptions {
  readonly stack: string
  readonly output: string
  readonly move?: true
  readonly json?: true
}

/** How a state marks a secret, before the stack's own key encrypts it. */
const secretMark = { '4dabf18193072939515e22adb298388d': '1b47061264138c4ac30d75fd1eb44270' }

/** `pgoci import`: a state and a program for what is on a host. */
export const importHost: Verb = (program, terminal) => {
  const command = program
    .command('import')
    .summary('write the state and the program of what is on a host')
    .description(
      'For a lost state, or an instance that moves to another stack: reads what a host declares, and writes import.json for pulumi import and import.ts, the program that declares the same.',
    )
  takeHost(command)
    .requiredOption('--stack <project/stack>', 'that shall have it', stackArgument)
    .option('--move', 'take it from the stack that declares it, which is told at its next refresh')
    .option('-o, --output <folder>', 'for import.json and import.ts; neither may be there', '.')
    .option('--json', 'print JSON (docs/schemas/import.json)')
    .addHelpText('after', examples)
    .action(async (host: string, options: Options) => {
      const { stdout } = terminal
      const { output, stack, root, json } = options
      const { specs, instances, connection } = await withHost(
        host,
        options,
        (store, login) => read(store, login, options),
        terminal,
      )
      const [file, text] = [join(output, 'import.json'), join(output, 'import.ts')]
      // The state's file has the secrets in clear until it is imported.
      await writeNew(file, `${JSON.stringify({ resources: specs }, null, 2)}\n`)
      await writeNew(text, programText(connection, instances, { root }))
      const secrets = secretsOf(connection).map(({ key }) => key)
      const resources = specs.map(({ type, name, id }) => ({ type, name, id }))
      const result = { stack, file, program: text, secrets, resources }
      await writeLines(stdout, json ? [JSON.stringify(result, null, 2)] : summary(result))
    })

  const read = async (store: Omit<StoreTarget, 'instance'>, connection: Connection, options: Options) => {
    const { signal } = terminal
    const { stack, move = false, instance, root } = options
    const names = instance === undefined ? await listInstances(store, { signal }) : [instance]
    if (names.length === 0)
      throw new ProviderError(
        'NOT_FOUND',
        `Cannot import ${root} on ${store.transport.name}: nothing is installed there`,
      )
    const instances: Instance[] = []
    const specs: ResourceSpec[] = []
    const login = withoutSecrets(connection, ({ value }) => ({ ...secretMark, plaintext: JSON.stringify(value) }))
    const packs = packing(tmpdir())
    for (const name of names) {
      const record = await adopt(
        { ...store, instance: name },
        { stack, move, who: store.holder, packing: packs, signal },
      )
      const members = record.rolledBack?.declared ?? record.members
      instances.push({ instance: name, members })
      const place = { connection: login as Connection, root, instance: name }
      specs.push(...resourceSpecs(place, { stack, members }))
    }
    refuseTwins(specs, store.transport.name)
    return { specs, instances, connection }
  }
}

/** In one stack, two resources of a type cannot have the same name. */
function refuseTwins(specs: readonly ResourceSpec[], host: string): void {
  const names = specs.map(({ type, name }) => `${type} ${name}`)
  const twin = specs.find(({ type, name }, index) => names.indexOf(`${type} ${name}`) < index)
  if (twin === undefined) return
  throw new ProviderError(
    'CONFLICT',
    `Cannot import ${host} into one stack: two of its instances have an extension ${quote(twin.name)}, and a stack has each name once; import one instance at a time, with --instance`,
  )
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST'
    const why = isThere ? 'it is there already; name another folder with --output' : printable(messageOf(error))
    throw new ProviderError('BAD_INPUT', `Cannot write ${quote(path)}: ${why}`)
  }
}

function stackArgument(text: string): string {
  if (/^[^/\s]{1,100}\/[^/\s]{1,100}$/.test(text)) return text
  throw new InvalidArgumentError('Expected PROJECT/STACK, as in shop/prod.')
}

function summary({ file, program, secrets, stack, resources }: z.infer<typeof importSchema>): string[] {
  const own = stack.slice(stack.indexOf('/') + 1)
  return columns([
    ['resources', resources.map(({ type, name }) => `${type.slice(type.lastIndexOf(':') + 1)} ${name}`)],
    ['program', [program]],
    [
      'then',
      [
        ...secrets.map((key) => `pulumi config set --stack ${own} --secret ${key}`),
        `pulumi import --stack ${own} --file ${file} --generate-code=false --protect=false`,
        ...(secrets.length > 0 ? [`rm ${file}, which has ${secrets.join(', ')} in clear`] : []),
      ],
    ],
  ])
}
