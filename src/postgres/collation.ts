import type { ServerFacts } from './facts.ts'

/** What decides how text is sorted, as previews and states show it. */
export interface Sorting {
  /** `glibc 2.36`. */
  readonly libc?: string | undefined
  /** `72.1`. */
  readonly icu?: string | undefined
}

/** What a distribution's bytes say of it. */
export function sortingOfServer({ libc, icu }: Pick<ServerFacts, 'libc' | 'icu'>): Sorting {
  return {
    ...(libc ? { libc: `${libc.kind} ${libc.version}` } : {}),
    ...(icu.length > 0 ? { icu: icu.join(', ') } : {}),
  }
}

/**
 * Which of the libraries that sort text is another one afterwards; indexes on text that the former one sorted may then
 * be wrong (wiki.postgresql.org/wiki/Locale_data_changes). ICU changes its rules with its major version.
 *
 * @returns `glibc 2.36 → glibc 2.41, ICU 72 → ICU 76`; undefined when all is the same, or nothing is known
 */
export function collationChange(before: Sorting, after: Sorting): string | undefined {
  const major = (icu: string | undefined) => icu && `ICU ${icu.split('.')[0]}`
  const changes = [
    [before.libc, after.libc],
    [major(before.icu), major(after.icu)],
  ].flatMap(([from, to]) => (from && to && from !== to ? [`${from} → ${to}`] : []))
  return changes.join(', ') || undefined
}
