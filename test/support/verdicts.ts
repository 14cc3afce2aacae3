import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ProviderError } from '../../src/model/error.ts'
import type { ImageFacts } from '../../src/postgres/facts.ts'
import { type Finding, findingText } from '../../src/postgres/finding.ts'
import { prove } from '../../src/postgres/prove.ts'
import { packFolder } from './pack-folder.ts'
import { type PostgresRoot, postgresSays } from './postgres-says.ts'
import { loadLayout, type VerdictServer } from './verdict-server.ts'

/** What the proof says of an image, and what a real Postgres does. */
export interface Verdict {
  readonly name: string
  readonly what: string
  readonly proof: 'fits' | 'does not fit' | 'refused'
  readonly reality: 'works' | 'does not' | 'nothing to try'
  /** Where the two differ. */
  readonly wrong: readonly string[]
  /** For who looks closer. */
  readonly details: readonly string[]
}

export interface Case {
  readonly name: string
  readonly what: string
  /** Its files. */
  readonly folder: string
  /** Whether they are a layer above the distribution's. */
  readonly isBuiltOn?: boolean
  /** Where apt has installed it: what Postgres says there is what it should say with us. */
  readonly byApt?: Omit<PostgresRoot, 'work'> | undefined
}

/** Packs the files as an extension image, proves it, installs it with the engine and asks the server. */
export async function verdictOf(server: VerdictServer, one: Case): Promise<Verdict> {
  const { name, what, folder, byApt, isBuiltOn } = one
  const layout = mkdtempSync(join(tmpdir(), 'pgoci-verdict-'))
  try {
    await packFolder(layout, folder, isBuiltOn ? server.layers : [])
    const loaded = await refusal(() => loadLayout(layout, server))
    if (loaded instanceof ProviderError) return refused(one, loaded)
    const findings = prove({
      distribution: { name: 'distribution', facts: server.facts },
      extension: { name, facts: loaded.facts },
    })
    const { statements, preloadable } = statementsOf(loaded.facts)
    const said = await refusal(() => server.add(loaded).then((root) => postgresSays(root, statements, preloadable)))
    if (said instanceof ProviderError) return refused(one, said)
    const before = byApt ? await saidByApt(byApt, server.work, { statements, preloadable }) : new Map<string, string>()
    return judged({ name, what }, findings, { said, before })
  } finally {
    rmSync(layout, { recursive: true, force: true })
  }
}

const known = new Map<string, Map<string, string>>()

/** The same package is asked for more than once. */
async function saidByApt(
  root: Omit<PostgresRoot, 'work'>,
  work: string,
  { statements, preloadable }: ReturnType<typeof statementsOf>,
): Promise<ReadonlyMap<string, string>> {
  const said = known.get(root.layers ?? '') ?? new Map<string, string>()
  const open = statements.filter((one) => !said.has(one))
  if (open.length > 0)
    for (const [one, answer] of await postgresSays({ ...root, work }, open, preloadable)) said.set(one, answer)
  known.set(root.layers ?? '', said)
  return said
}

async function refusal<T>(run: () => Promise<T>): Promise<T | ProviderError> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof ProviderError) return error
    throw error
  }
}

/** Right only where there is nothing in it that Postgres could use. */
function refused({ name, what, folder }: Case, { code, message }: ProviderError): Verdict {
  const useful = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\/extension\/[^/]+\.control$|\/postgresql\/\d+\/lib\/[^/]+\.so$/.test(path),
  )
  return {
    ...{ name, what, proof: 'refused', reality: useful.length > 0 ? 'does not' : 'nothing to try' },
    wrong: useful.length > 0 ? [`refused: ${message}`] : [],
    details: [`${code}: ${message}`],
  }
}

/** Every module is loaded, every extension created. */
function statementsOf({ binaries, extensions }: Pick<ImageFacts, 'binaries' | 'extensions'>): {
  statements: string[]
  preloadable: Map<string, string>
} {
  const modules = binaries.flatMap(({ path, magic }) =>
    (magic ? [/^live\/lib\/(.+)\.so$/.exec(path)?.[1] ?? []] : []).flat(),
  )
  const loads = modules.map((name): [string, string] => [`LOAD '$libdir/${name}'`, name])
  const creates = Object.keys(extensions).map((name): [string, string] => [
    `BEGIN; CREATE EXTENSION "${name}" CASCADE; ROLLBACK`,
    modules.find((module) => name.startsWith(module)) ?? modules[0] ?? name,
  ])
  const preloadable = new Map([...loads, ...creates])
  return { statements: [...preloadable.keys()], preloadable }
}

/** How Postgres and its loader say what the proof has a rule for. */
const words: readonly (readonly [RegExp, (found: RegExpExecArray) => RegExp])[] = [
  [
    /(?:": |: )(\S+?): cannot open shared object file/,
    ([, library]) => new RegExp(`^missing-library:${literally(library)}$|^architecture:`),
  ],
  [/version `([^']+)' not found/, () => /^symbol-version:/],
  [/incompatible library|incompatible magic block/, () => /^(?:postgres-major|abi-vendor):/],
  [/wrong ELF class|invalid ELF header|file too short/, () => /^(?:architecture|unreadable):/],
  [
    /required extension "([^"]+)" is not (?:available|installed)|extension "([^"]+)" is not available/,
    ([, a, b]) => new RegExp(`^requires:(?:.*\\.)?${literally(a ?? b)}$`),
  ],
  [/could not access file "\$libdir\/([^"]+)"/, () => /^missing-module:/],
  // In mysql_fdw's own words.
  [/failed to load the mysql query/, () => /^opened-library:/],
  [/has no installation script/, () => /^no-script:/],
]

function literally(text = ''): string {
  return text.replace(/[^A-Za-z0-9_]/g, '\\$&')
}

function judged(
  id: { readonly name: string; readonly what: string },
  findings: readonly Finding[],
  { said, before }: { readonly said: ReadonlyMap<string, string>; readonly before: ReadonlyMap<string, string> },
): Verdict {
  const errors = findings.filter(({ severity }) => severity === 'error')
  // What apt's own installation cannot do either says nothing of ours.
  const failing = [...said].filter(([statement, problem]) => problem !== '' && !before.get(statement))
  const wrong: string[] = []
  for (const [statement, problem] of failing) {
    const rule = words.flatMap(([pattern, ids]) => {
      const found = pattern.exec(problem)
      return found ? [ids(found)] : []
    })[0]
    if (!findings.some((finding) => rule?.test(finding.id))) wrong.push(`not told: ${statement}: ${problem}`)
  }
  if (errors.length > 0 && failing.length === 0) wrong.push(...errors.map((one) => `works, but ${findingText(one)}`))
  for (const [statement, problem] of before)
    if (problem !== '' && said.get(statement) === '') wrong.push(`works here alone: ${statement}: ${problem}`)
  return {
    ...id,
    proof: errors.length > 0 ? 'does not fit' : 'fits',
    reality: said.size === 0 ? 'nothing to try' : failing.length > 0 ? 'does not' : 'works',
    wrong,
    details: [
      ...findings.map(findingText),
      ...[...said]
        .filter(([, problem]) => problem)
        .map(([statement, problem]) => `${before.get(statement) ? 'with apt too: ' : ''}${statement}: ${problem}`),
    ],
  }
}
