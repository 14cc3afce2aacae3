import { InvalidArgumentError } from 'commander'
import type { Asked } from '../engine/diff.ts'
import { includeSchema } from '../engine/part.ts'
import { parseReference } from '../model/reference.ts'
import { openSource } from '../oci/open.ts'
import { readingOf, type Terminal } from './verb.ts'

/** What turns references into the images that they mean now, for a platform. */
export function asking(terminal: Terminal, platform: string): (text: string) => Promise<Asked> {
  const { environment, cache } = readingOf(terminal)
  const { signal } = terminal
  return async (text) => {
    const reference = parseReference(text)
    const source = openSource(reference, environment)
    const digest = reference.digest ?? (await source.resolve(reference.tag, { signal })).digest
    return { reference: text, request: { source, reference, digest, platform, cache, signal } }
  }
}

/** The same image, of which only these files are wanted. */
export function partOf({ reference, request }: Asked, include: readonly string[] | undefined): Asked {
  return { reference, request: { ...request, ...(include ? { part: { include } } : {}) } }
}

/** The value of an option that may be given again. */
export function againArgument(text: string, former: readonly string[] = []): readonly string[] {
  return [...former, text]
}

/** The value of `--include`, as resources take it. */
export function includeArgument(text: string, former?: readonly string[]): readonly string[] {
  const { success, data, error } = includeSchema.safeParse(againArgument(text, former))
  if (success) return data
  throw new InvalidArgumentError(`Of a glob: ${error.issues.map(({ message }) => message).join('; ')}.`)
}
