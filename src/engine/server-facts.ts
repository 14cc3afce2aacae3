import { ProviderError } from '../model/error.ts'
import { fileBehind } from '../model/links.ts'
import { nameOf } from '../model/tree.ts'
import type { DistributionLayout } from '../postgres/distribution.ts'
import { type Elf, isElf, readElf } from '../postgres/elf.ts'
import type { ServerFacts } from '../postgres/facts.ts'
import { type LibcKind, libcFiles, libcKind, libcVersion } from '../postgres/libc.ts'
import { localeArchive, localeFolders, readLocaleArchive } from '../postgres/locales.ts'
import { readConfigure, readServerVersion } from '../postgres/magic.ts'
import { unlessUnreadable } from './facts.ts'
import type { FlatImage } from './image.ts'

/** @throws ProviderError NOT_POSTGRES when the server tells no version */
export async function readServerFacts(flat: FlatImage, layout: DistributionLayout): Promise<ServerFacts> {
  const { bytes } = (await fileAt(flat, layout.server)) ?? {}
  const version = bytes && readServerVersion(bytes)
  if (bytes === undefined || version === undefined)
    throw new ProviderError(
      'NOT_POSTGRES',
      `Cannot use ${flat.pinned} as a distribution: ${layout.server} tells no Postgres version`,
    )
  const program = elfOf(bytes)
  const kind = program && libcKind(program)
  const [libc, locales] = await Promise.all([
    program && kind && layout.mode !== 'relocatable' ? libcOf(flat, kind, program) : undefined,
    localesOf(flat),
  ])
  return {
    mode: layout.mode,
    ...version,
    configure: readConfigure(bytes),
    ...(libc ? { libc } : {}),
    icu: icuOf(flat),
    locales,
  }
}

/** Of several libcs, that of the server's architecture counts. */
async function libcOf(flat: FlatImage, kind: LibcKind, program: Elf): Promise<ServerFacts['libc']> {
  for (const path of libcFiles(flat.tree, kind)) {
    const file = await fileAt(flat, path)
    const version = file && libcVersion(file.bytes, kind)
    if (version !== undefined && elfOf(file?.bytes)?.machine === program.machine) return { kind, version }
  }
  return undefined
}

/** The files' names have the whole version; the sonames only the major. */
function icuOf({ tree }: FlatImage): string[] {
  const versions = [...tree].flatMap(([path, { kind }]) =>
    kind === 'file' ? (/^libicuuc\.so\.(\d[\d.]*)$/.exec(nameOf(path))?.[1] ?? []) : [],
  )
  return [...new Set(versions)].sort()
}

async function localesOf(flat: FlatImage): Promise<string[]> {
  const archive = await fileAt(flat, localeArchive, { edges: true })
  const archived = archive ? unlessUnreadable(() => readLocaleArchive(archive.bytes)) : []
  return [...new Set([...localeFolders(flat.tree), ...(typeof archived === 'string' ? [] : archived)])].sort()
}

async function fileAt(flat: FlatImage, path: string, how?: { edges: boolean }) {
  const found = fileBehind(flat.tree, path)
  if (found === undefined) return undefined
  for await (const file of flat.read(new Set([found.entry.digest]), how)) return file
  return undefined
}

function elfOf(bytes: Uint8Array | undefined): Elf | undefined {
  const read = bytes && isElf(bytes) ? unlessUnreadable(() => readElf(bytes)) : undefined
  return typeof read === 'string' ? undefined : read
}
