import { nameOf } from '../model/tree.ts'
import { some } from './finding.ts'
import type { Rule } from './prove.ts'
import { modulesOf } from './rules-modules.ts'

interface MinorRule {
  readonly name: string
  /** First of the affected minors of each major, and the first that is no longer; absent: all later ones are. */
  readonly affected: Readonly<Record<number, readonly [from: number, until?: number]>>
  /** Modules that it concerns; absent: any. */
  readonly modules?: readonly string[]
  readonly fact: string
  readonly advice: string
}

/** Minors that broke extensions. Each with its source. */
const minors: readonly MinorRule[] = [
  {
    // postgresql.org/about/news, 2024-11-14 and 2024-11-21 (17.2, 16.6, …); the list is of those that build a ResultRelInfo.
    name: 'result-rel-info',
    affected: { 17: [1, 2], 16: [5, 6], 15: [9, 10], 14: [14, 15], 13: [17, 18], 12: [21, 22] },
    modules: ['timescaledb', 'age', 'citus', 'pglogical', 'mysql_fdw', 'ogr_fdw', 'pg_squeeze'],
    fact: 'has another size of ResultRelInfo than the minors before and after it, and modules of those may crash it',
    advice: 'choose the next minor of Postgres',
  },
  {
    // CVE-2026-6471; Debian's postgresql-18 18.6-2 has Breaks: on these. Minors are those it was seen in (B-field, fact 7).
    name: 'output-plugin-libraries',
    affected: { 18: [6], 17: [11], 15: [20] },
    modules: ['wal2json', 'decoderbufs', 'pg_squeeze', 'pg_rewrite', 'timescaledb'],
    fact: 'loads output plugins only when output_plugin_libraries names them, and older builds of these may not work',
    advice: 'choose a build for this minor, and name output plugins in output_plugin_libraries',
  },
]

/** Within a major Postgres keeps its ABI, but for these. */
export const minorRules: Rule = function* ({ distribution, extension }) {
  const { version = '', major = 0 } = distribution.facts.server ?? {}
  const minor = Number(/^\d+\.(\d+)/.exec(version)?.[1] ?? Number.NaN)
  const modules = modulesOf(extension.facts).map(({ path }) => nameOf(path).replace(/\.so$/, ''))
  for (const { name, affected, modules: concerned, fact, advice } of minors) {
    const [from = Number.POSITIVE_INFINITY, until = Number.POSITIVE_INFINITY] = affected[major] ?? []
    if (!(minor >= from && minor < until)) continue
    // Some carry their version in the name: timescaledb-2.17.2.so.
    const hit = modules.filter((one) => !concerned || concerned.includes(one.replace(/-[\d.]+$/, '')))
    if (hit.length === 0) continue
    yield {
      ...{ severity: 'warning', rule: 'postgres-minor', subject: name, fact: `Postgres ${version} ${fact}` },
      ...{ against: `it has ${some(hit)}`, advice },
    }
  }
}
