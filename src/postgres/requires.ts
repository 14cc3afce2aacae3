import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'

/** What `CREATE EXTENSION` can create of an image, with what must be there before. */
type Provides = Readonly<Record<string, { readonly requires: readonly string[] }>>

export interface Missing {
  readonly name: string
  /** An extension that needs it. */
  readonly by: string
}

/** What extensions require and nobody provides, neither they themselves nor the distribution; sorted by name. */
export function missingRequires(provided: readonly Provides[], contrib: Readonly<Record<string, unknown>>): Missing[] {
  const there = new Set([...provided.flatMap((one) => Object.keys(one)), ...Object.keys(contrib)])
  const missing = new Map<string, Missing>()
  for (const [by, { requires }] of provided.flatMap((one) => Object.entries(one)))
    for (const name of requires) if (!there.has(name) && !missing.has(name)) missing.set(name, { name, by })
  return [...missing.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * The same, once all that was missing was asked for; a name that was asked for and is missing still would be asked for
 * without an end.
 *
 * @param asked names that somebody has been asked for
 * @throws ProviderError NOT_FOUND
 */
export function nextMissing(missing: readonly Missing[], asked: ReadonlySet<string>): readonly Missing[] {
  const again = missing.find(({ name }) => asked.has(name))
  if (again === undefined) return missing
  throw new ProviderError(
    'NOT_FOUND',
    `Cannot find ${quote(again.name)}, which ${quote(again.by)} requires: the image of that name does not provide it; declare the extension whose image does`,
  )
}
