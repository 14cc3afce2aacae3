import { z } from 'zod'
import type { Digest } from '../model/digest.ts'
import { nameOf, type Tree } from '../model/tree.ts'
import { type Elf, isElf, readElf } from '../postgres/elf.ts'
import { follow } from '../postgres/extension.ts'
import { type LibcKind, libcFiles, libcKind, libcVersion, requiredGlibc } from '../postgres/libc.ts'
import type { FlatImage } from './image.ts'

export const libcSchema = z.object({
  kind: z.enum(['glibc', 'musl']),
  /** Of the libc that the image brings. */
  version: z.string().optional(),
  /** The lowest glibc that the image's programs and modules run on. */
  requires: z.string().optional(),
})

export type Libc = z.infer<typeof libcSchema>

const derivedSchema = z.object({ libc: libcSchema.optional() })

/** The libc that an image has, or else what it asks of its host's. Nothing for one without programs and modules. */
export async function libcOf(flat: FlatImage, server: string | undefined): Promise<Libc | undefined> {
  const derive = async () => ({ libc: server === undefined ? await asked(flat) : await brought(flat, server) })
  return (await flat.derived('libc-v1', derivedSchema, derive)).libc
}

async function brought(flat: FlatImage, server: string): Promise<Libc | undefined> {
  const [program] = await elves(flat, (path) => path === server)
  const kind = program && libcKind(program)
  if (program === undefined || kind === undefined) return undefined
  const version = await versionOf(flat, kind, program)
  return version === undefined ? asked(flat) : { kind, version }
}

/** Of several libcs, that of the server's architecture counts. */
async function versionOf(flat: FlatImage, kind: LibcKind, program: Elf): Promise<string | undefined> {
  for await (const { bytes } of flat.read(contentsAt(flat.tree, libcFiles(flat.tree, kind)))) {
    const version = libcVersion(bytes, kind)
    if (version !== undefined && parsed(bytes)?.machine === program.machine) return version
  }
  return undefined
}

async function asked(flat: FlatImage): Promise<Libc | undefined> {
  const files = await elves(flat, (path) => /\.so(?:\.|$)/.test(nameOf(path)) || /(?:^|\/)bin\/[^/]+$/.test(path))
  const kind = files.map(libcKind).find((one) => one !== undefined)
  if (kind === undefined) return undefined
  const requires = requiredGlibc(files)
  return requires === undefined ? { kind } : { kind, requires }
}

async function elves(flat: FlatImage, wanted: (path: string) => boolean): Promise<Elf[]> {
  const found: Elf[] = []
  for await (const { bytes } of flat.read(contentsAt(flat.tree, [...flat.tree.keys()].filter(wanted)))) {
    const elf = parsed(bytes)
    if (elf) found.push(elf)
  }
  return found
}

/** Scripts lie among programs, and a file that no loader would load asks nothing of a libc. */
function parsed(bytes: Uint8Array): Elf | undefined {
  if (!isElf(bytes)) return undefined
  try {
    return readElf(bytes)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function contentsAt(tree: Tree, paths: readonly string[]): Set<Digest> {
  return new Set(
    paths.flatMap((path) => {
      const entry = follow(tree, path)
      return entry?.kind === 'file' ? [entry.digest] : []
    }),
  )
}
