import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ProviderError } from '../../src/model/error.ts'
import { type Finding, findingText } from '../../src/postgres/finding.ts'
import { prove } from '../../src/postgres/prove.ts'
import { packFolder } from './pack-folder.ts'
import { type PostgresRoot, postgresSays } from './postgres-says.ts'
import { loadLayout, type VerdictServer } from './verdict-server.ts'
import { type Statements, statementsFor, tellerOf } from './verdict-statements.ts'

/** What the proof says of an image, and what a real Postgres does. */
export interface Verdict {
  readonly name: string
  readonly what: string
  readonly proof: 'fits' | 'does not fit' | 'refused'
  /** Rules of its errors; where there are none, those that tell why something does not work all the same. */
  readonly rules: readonly string[]
  readonly reality: 'works' | 'does not' | 'does not, nor without us' | 'nothing to try'
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
  /** Where it is installed without us, by apt: what Postgres says there is what it should say with us. */
  readonly before?: Omit<PostgresRoot, 'work'> | undefined
}

/** Packs the files as an extension image, proves it, installs it with the engine and asks the server. */
export async function verdictOf(server: VerdictServer, one: Case): Promise<Verdict> {
  const { name, folder, isBuiltOn } = one
  const layout = mkdtempSync(join(tmpdir(), 'pgoci-verdict-'))
  try {
    await packFolder(layout, folder, isBuiltOn ? server.layers : [])
    const statements = statementsFor(folder)
    const loaded = await refusal(() => loadLayout(layout, server))
    if (loaded instanceof ProviderError) return refused(one, statements, loaded)
    const findings = prove({
      distribution: { name: 'distribution', facts: server.facts },
      extension: { name, facts: loaded.facts },
    })
    const said = await refusal(() => server.add(loaded).then((root) => postgresSays(root, statements)))
    if (said instanceof ProviderError) return refused(one, statements, said)
    const root = one.before && { ...one.before, work: server.work }
    const before = root ? await saidBefore(root, statements) : new Map<string, string>()
    return judged(one, findings, { said, before })
  } finally {
    rmSync(layout, { recursive: true, force: true })
  }
}

const known = new Map<string, Map<string, string>>()

/** The same package is asked for more than once. */
async function saidBefore(root: PostgresRoot, statements: Statements): Promise<ReadonlyMap<string, string>> {
  const key = JSON.stringify(root)
  const said = known.get(key) ?? new Map<string, string>()
  const open = new Map([...statements].filter(([one]) => !said.has(one)))
  if (open.size > 0) for (const [one, answer] of await postgresSays(root, open)) said.set(one, answer)
  known.set(key, said)
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
function refused({ name, what }: Case, statements: Statements, { code, message }: ProviderError): Verdict {
  const isUseful = statements.size > 0
  return {
    ...{ name, what, proof: 'refused', rules: [code], reality: isUseful ? 'does not' : 'nothing to try' },
    wrong: isUseful ? [`refused: ${message}`] : [],
    details: [`${code}: ${message}`],
  }
}

function judged(
  { name, what }: Case,
  findings: readonly Finding[],
  { said, before }: { readonly said: ReadonlyMap<string, string>; readonly before: ReadonlyMap<string, string> },
): Verdict {
  const errors = findings.filter(({ severity }) => severity === 'error')
  // What the installation without us cannot do either says nothing of ours.
  const failing = [...said].filter(([statement, problem]) => problem !== '' && !before.get(statement))
  const tellers: Finding[] = []
  const wrong: string[] = []
  for (const [statement, problem] of failing) {
    const teller = tellerOf(problem, findings)
    if (teller) tellers.push(teller)
    else wrong.push(`not told: ${statement}: ${problem}`)
  }
  // Postgres says so without us as well.
  const isConfirmed = [...said.values()].some((problem) => tellerOf(problem, errors))
  const isWorse = failing.length > 0 || isConfirmed
  if (errors.length > 0 && !isWorse) wrong.push(...errors.map((one) => `works, but ${findingText(one)}`))
  for (const [statement, problem] of before)
    if (problem !== '' && said.get(statement) === '') wrong.push(`works here alone: ${statement}: ${problem}`)
  const rules = new Set((errors.length > 0 ? errors : tellers).map(({ rule }) => rule))
  return {
    ...{ name, what, proof: errors.length > 0 ? 'does not fit' : 'fits', rules: [...rules].sort() },
    reality: realityOf([...said.values()], isWorse),
    wrong,
    details: [
      ...findings.map(findingText),
      ...[...said]
        .filter(([, problem]) => problem)
        .map(([statement, problem]) => `${before.get(statement) ? 'without us too: ' : ''}${statement}: ${problem}`),
    ],
  }
}

function realityOf(said: readonly string[], isWorse: boolean): Verdict['reality'] {
  if (said.length === 0) return 'nothing to try'
  if (isWorse) return 'does not'
  return said.includes('') ? 'works' : 'does not, nor without us'
}
