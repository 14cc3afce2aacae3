import { join } from 'node:path'
import { command } from './command.ts'
import type { Statements } from './verdict-statements.ts'

export interface PostgresRoot {
  /** Where its cluster and its mounts are. */
  readonly work: string
  readonly root: string
  readonly bin: string
  /** Folders that lie above the root. */
  readonly layers?: string
  /** Folder that is seen in the root at its own path. */
  readonly store?: string
  readonly libraryPath?: string
  readonly settings?: Readonly<Record<string, string>>
}

const script = join(import.meta.dirname, 'postgres-says.sh')

/**
 * What a real server, started for this, says against each statement; '' for nothing. Where it asks for it, the libraries
 * are preloaded.
 */
export async function postgresSays(root: PostgresRoot, statements: Statements): Promise<Map<string, string>> {
  const all = [...statements.keys()]
  const first = await ask(root, all, [])
  const wishes = [...first].filter(([, said]) => /shared_preload_libraries|preloaded|after startup/.test(said))
  if (wishes.length === 0) return first
  const preload = new Set(wishes.flatMap(([statement]) => statements.get(statement) ?? []))
  const second = await ask(root, all, [...preload])
  // As pg_stat_kcache says of pg_stat_statements.
  const [, earlier] = /unrecognized configuration parameter "(\w+)\./.exec([...second.values()][0] ?? '') ?? []
  return earlier === undefined ? second : ask(root, all, [earlier, ...preload])
}

async function ask(
  { work, root, bin, layers, store, libraryPath, settings = {} }: PostgresRoot,
  statements: readonly string[],
  preload: readonly string[],
): Promise<Map<string, string>> {
  const env = {
    ...{ PATH: process.env['PATH'], LAYERS: layers, STORE: store, LIBRARY_PATH: libraryPath },
    PRELOAD: preload.join(','),
    SETTINGS: Object.entries(settings)
      .map(([name, value]) => `-c ${name}='${value}'`)
      .join(' '),
  }
  const words = ['--mount', '--pid', '--fork', '--kill-child', script, work, root, bin]
  const output = await command('unshare', words, { env, input: statements.map((one) => `${one}\n`).join('') })
  const ended = /^([\s\S]*)\n-- ended\n$/.exec(output)?.[1]
  if (ended !== undefined) return new Map(statements.map((one) => [one, ended]))
  const answers = output.split('\n-- done\n').map((answer) => answer.trim())
  return new Map(statements.map((one, index) => [one, problemIn(answers[index] ?? '')]))
}

function problemIn(answer: string): string {
  return /(?:ERROR|FATAL|server closed)[\s\S]*/.exec(answer)?.[0] ?? ''
}
