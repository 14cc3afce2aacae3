import { z } from 'zod'
import type { ImageFacts } from '../postgres/facts.ts'
import { libcKind, requiredGlibc } from '../postgres/libc.ts'

export const libcSchema = z.object({
  kind: z.enum(['glibc', 'musl']),
  /** Of the libc that the image brings. */
  version: z.string().optional(),
  /** The lowest glibc that the image's programs and modules run on. */
  requires: z.string().optional(),
})

export type Libc = z.infer<typeof libcSchema>

/** The libc that an image has, or else what it asks of its host's. Nothing for one without programs and modules. */
export function libcOf({ server, binaries }: ImageFacts): Libc | undefined {
  if (server?.libc) return server.libc
  const kind = binaries.map(libcKind).find((one) => one !== undefined)
  if (kind === undefined) return undefined
  const requires = requiredGlibc(binaries)
  return requires === undefined ? { kind } : { kind, requires }
}
