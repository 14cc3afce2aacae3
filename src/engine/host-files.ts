import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { type Edges, type HostFile, type Inventory, inventory, readFiles } from '../host/inventory.ts'
import type { PackagedServer } from '../host/packaged.ts'
import type { StoreTarget } from '../host/store.ts'
import { type Digest, digestOf } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { printable } from '../model/quote.ts'
import type { Cache } from '../oci/cache.ts'
import { digestSchema } from '../oci/schema.ts'
import { isElf, readElf } from '../postgres/elf.ts'
import { unlessUnreadable } from './facts.ts'
import type { WholeFile } from './image.ts'

/** What one command brings, before it is compressed. */
const mostAtOnce = 32 * 1024 ** 2
const mostWhole = 128 * 1024 ** 2

interface Part extends HostFile {
  /** How much of both ends; undefined for all of it. */
  readonly edges: Edges | undefined
}

/** The loader's tables are mostly near the ends: of 450 libraries, the first round tells 410, and the second 35. */
const rounds: readonly Edges[] = [
  { head: 64 * 1024, tail: 64 * 1024 },
  { head: 1024 ** 2, tail: 256 * 1024 },
  { head: 8 * 1024 ** 2, tail: 1024 ** 2 },
]

const knownSchema = z.array(z.tuple([z.string(), digestSchema]))

/**
 * What a server and its loader have on a host. Each file is hashed once, and then again only when it looks otherwise: the
 * rule by which a quick look at a store goes, too.
 */
export async function listHostFiles(
  target: StoreTarget,
  server: PackagedServer,
  options: { readonly cache: Cache; readonly verify?: 'quick' | 'full'; readonly signal?: AbortSignal },
): Promise<Inventory> {
  const { cache, verify = 'quick', signal } = options
  // What a host says of its files is believed of that host only.
  const key = JSON.stringify([target.transport.name, server.bin])
  const kept = (await cache.readJson('host-files-v1', key, knownSchema)) ?? []
  const there = await inventory(target, server, {
    ...(verify === 'full' ? {} : { known: new Map(kept) }),
    ...(signal ? { signal } : {}),
  })
  const known = [...there.known]
  if (!isDeepStrictEqual(known, kept)) await cache.writeJson('host-files-v1', key, known)
  return there
}

/** Files of a host by their content: whole, or of large ones as much of both ends as the loader's tables take. */
export async function* readHostFiles(
  files: readonly HostFile[],
  wanted: ReadonlySet<Digest>,
  options: { readonly target: StoreTarget; readonly isEdged: boolean; readonly signal?: AbortSignal },
): AsyncIterable<WholeFile> {
  let open = [...new Map(files.filter(({ digest }) => wanted.has(digest)).map((file) => [file.digest, file])).values()]
  if (!options.isEdged) {
    const whole = open.filter(({ size }) => size <= mostWhole).map((file) => ({ ...file, edges: undefined }))
    for await (const [, read] of readParts(whole, options)) yield read
    return
  }
  for (const [round, edges] of rounds.entries()) {
    const again: HostFile[] = []
    const parts = open.map((file) => ({ ...file, edges: file.size <= edges.head + edges.tail ? undefined : edges }))
    for await (const [file, read] of readParts(parts, options)) {
      if (round + 1 < rounds.length && !hasTables(read)) again.push(file)
      else yield read
    }
    open = again
  }
}

function hasTables({ bytes, hole }: WholeFile): boolean {
  return hole === undefined || !isElf(bytes) || typeof unlessUnreadable(() => readElf(bytes, hole)) !== 'string'
}

async function* readParts(
  parts: readonly Part[],
  options: { readonly target: StoreTarget; readonly signal?: AbortSignal },
): AsyncIterable<[Part, WholeFile]> {
  const { target } = options
  const signal = options.signal ? { signal: options.signal } : {}
  for (const open = [...parts]; open.length > 0; ) {
    const batch: Part[] = []
    for (let bytes = 0; open.length > 0 && bytes < mostAtOnce; ) {
      const next = open.shift() as Part
      bytes += lengthOf(next)
      batch.push(next)
    }
    const length = batch.reduce((sum, part) => sum + lengthOf(part), 0)
    const read = await readFiles(target, batch, { length, ...signal })
    let at = 0
    for (const part of batch) {
      const bytes = read.subarray(at, at + lengthOf(part))
      at += bytes.length
      const isRight = bytes.length === lengthOf(part) && (part.edges || digestOf(bytes) === part.digest)
      if (!isRight)
        throw new ProviderError(
          'STORE_CHANGED',
          `Cannot read the Postgres of ${target.transport.name}: ${printable(part.path)} changed meanwhile; run it again`,
        )
      yield [part, { digest: part.digest, ...spread(bytes, part) }]
    }
  }
}

function lengthOf({ size, edges }: Part): number {
  return edges ? edges.head + edges.tail : size
}

function spread(bytes: Buffer, { size, edges }: Part): Pick<WholeFile, 'bytes' | 'hole'> {
  if (edges === undefined) return { bytes }
  const whole = Buffer.alloc(size)
  const hole = { from: edges.head, to: size - edges.tail }
  bytes.copy(whole, 0, 0, edges.head)
  bytes.copy(whole, hole.to, edges.head)
  return { bytes: whole, hole }
}
