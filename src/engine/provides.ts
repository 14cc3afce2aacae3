import { z } from 'zod'
import type { Digest } from '../model/digest.ts'
import { printable } from '../model/quote.ts'
import type { Tree } from '../model/tree.ts'
import { parseControl } from '../postgres/control.ts'
import { extensionName } from '../postgres/extension.ts'
import type { FlatImage } from './image.ts'

/** What `CREATE EXTENSION` can create: name → version, and what must be there before. */
export const providesSchema = z.record(z.string(), z.object({ version: z.string(), requires: z.array(z.string()) }))

export type Provides = z.infer<typeof providesSchema>

/** What a control file says, for previews: whoever wrote it must not draw on the terminal of who reads them. */
export function provided(control: Buffer): Provides[string] {
  const { defaultVersion = '', requires } = parseControl(control.toString('utf8'))
  return { version: printable(defaultVersion), requires: requires.map((name) => printable(name)) }
}

export function byName(found: readonly [string, Provides[string]][]): Provides {
  return Object.fromEntries(found.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** What a distribution's own control files say; `placed` is where its files go on a host. */
export function contribOf(flat: FlatImage, placed: Tree): Promise<Provides> {
  return flat.derived('contrib-v1', providesSchema, async () => {
    const names = new Map<Digest, string[]>()
    for (const [path, entry] of placed) {
      const name = extensionName(path)
      if (name === undefined || entry.kind !== 'file') continue
      names.set(entry.digest, [...(names.get(entry.digest) ?? []), name])
    }
    const found: [string, Provides[string]][] = []
    for await (const { digest, bytes } of flat.read(new Set(names.keys())))
      for (const name of names.get(digest) ?? []) found.push([name, provided(bytes)])
    return byName(found)
  })
}
