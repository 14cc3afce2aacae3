import { z } from 'zod'
import type { Digest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import type { Tree } from '../model/tree.ts'
import { globMatcher } from './glob.ts'

/** Which of an image's files an extension is made of, where it is not all of them. */
export interface Part {
  /** That many layers are left out, from the lowest on: those of the distribution that the image was built on. */
  readonly baseLayers?: number | undefined
  /** Globs; a file belongs to the extension when one of them matches its path. */
  readonly include?: readonly string[] | undefined
}

const maxWildcards = 5

/** Wildcards are few, because an image's paths may have 64 MB, and each reads on to their ends. */
const globSchema = z
  .string()
  .min(1)
  .max(255)
  .refine((glob) => !/[[\]{}()!\\]/.test(glob), 'must be a path in the image, with *, ** or ? as wildcards')
  .refine((glob) => (glob.match(/\*+|\?/g) ?? []).length <= maxWildcards, `may have ${maxWildcards} wildcards at most`)

export const includeSchema = z.array(globSchema).min(1).max(100).readonly()

export const partSchema = z.object({
  baseLayers: z.int().min(1).max(1000).optional(),
  include: includeSchema.optional(),
})

/** What of these is set, so that equal ones are equal; all of an image is `{}`. */
export function toPart({ baseLayers, include }: Part): Part {
  return { ...(baseLayers ? { baseLayers } : {}), ...(include ? { include } : {}) }
}

/** How many of an image's layers are a base's, all of them from its lowest to its highest; 0 for another image. */
export function layersOfBase(layers: readonly { readonly diffId?: Digest }[], base: readonly string[]): number {
  const isBuiltOn = base.length < layers.length && base.every((id, index) => id === layers[index]?.diffId)
  return isBuiltOn ? base.length : 0
}

/**
 * The paths of an image's files that globs name.
 *
 * @throws ProviderError NOT_FOUND for a glob that names none
 */
export function included(tree: Tree, include: readonly string[], image: string): Set<string> {
  const files = [...tree].flatMap(([path, { kind }]) => (kind === 'directory' ? [] : [path]))
  const found = new Set<string>()
  for (const glob of include) {
    const named = files.filter(globMatcher(glob.replace(/^\.?\//, '')))
    if (named.length === 0)
      throw new ProviderError(
        'NOT_FOUND',
        `Cannot use ${image} as an extension: it has no file that include's ${quote(glob)} matches; npx pgoci inspect --files lists what it has`,
      )
    for (const path of named) found.add(path)
  }
  return found
}

/** What installing packages changes beside what they bring: the books of package managers, caches, users. */
export function isOfSystem(path: string): boolean {
  return (
    /^(?:var|run|tmp|root|home|dev|proc|sys|lib\/apk|usr\/lib\/sysimage)(?:\/|$)/.test(path) ||
    /^etc\/(?:ld\.so\.cache|(?:passwd|group|shadow|gshadow|subuid|subgid)-?|apt\/.*|apk\/.*|.*\.lock)$/.test(path)
  )
}
