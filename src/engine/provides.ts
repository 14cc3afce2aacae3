import { z } from 'zod'
import { printable } from '../model/quote.ts'
import type { ImageFacts } from '../postgres/facts.ts'
import { requiredBy } from '../postgres/rules-scripts.ts'

/** What `CREATE EXTENSION` can create: name → version, and what must be there before. */
export const providesSchema = z.record(z.string(), z.object({ version: z.string(), requires: z.array(z.string()) }))

export type Provides = z.infer<typeof providesSchema>

/** For previews: whoever wrote a control file must not draw on the terminal of who reads them. */
export function providesOf({ extensions }: Pick<ImageFacts, 'extensions'>): Provides {
  return Object.fromEntries(
    Object.entries(extensions).map(([name, one]) => [
      printable(name),
      {
        version: printable(one.control.defaultVersion ?? ''),
        requires: requiredBy(one).map((required) => printable(required)),
      },
    ]),
  )
}
