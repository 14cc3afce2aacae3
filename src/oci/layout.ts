import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { z } from 'zod'
import { type Digest, hexOf } from '../model/digest.ts'
import { messageOf, ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { manifestsIn, referrersAmong } from './referrers.ts'
import { check, digestSchema, parseJson } from './schema.ts'
import { maxDocument, type Source } from './source.ts'

const refName = 'org.opencontainers.image.ref.name'

const layoutSchema = z.object({ imageLayoutVersion: z.string().regex(/^1\./) })
const indexSchema = z.object({
  manifests: z
    .array(z.object({ digest: digestSchema, annotations: z.record(z.string(), z.string()).nullish() }))
    .max(100_000),
})

/** An OCI image layout on this machine (image-spec, image-layout.md). What it says is proven as for a registry. */
export function layoutSource(path: string): Source {
  const name = `oci:${printable(path)}`
  return {
    name,
    resolve: async (tag) => {
      check(layoutSchema, parseJson(await readDocument(path, 'oci-layout', name), name), name)
      const index = parseJson(await readDocument(path, 'index.json', name), name)
      return { digest: choose(check(indexSchema, index, name).manifests, tag, name) }
    },
    manifest: async (digest) => readDocument(path, blobPath(digest), name),
    blob: async (descriptor) => {
      const file = await openInside(path, blobPath(descriptor.digest), name)
      return file.createReadStream({ highWaterMark: 256 * 1024 })
    },
    referrers: async (digest) =>
      referrersAmong(manifestsIn(await readDocument(path, 'index.json', name)), digest, (one) =>
        readDocument(path, blobPath(one), name),
      ),
  }
}

function choose(manifests: z.infer<typeof indexSchema>['manifests'], tag: string | undefined, name: string): Digest {
  const matching = tag === undefined ? manifests : manifests.filter((one) => one.annotations?.[refName] === tag)
  const [only, ...more] = matching
  if (only !== undefined && more.length === 0) return only.digest
  const tags = manifests.flatMap((one) => one.annotations?.[refName] ?? [])
  const there = printable([...new Set(tags)].join(', '), 300) || 'no tags'
  if (tag !== undefined && matching.length === 0)
    throw new ProviderError(
      'NOT_FOUND',
      `Cannot find the tag ${quote(tag)} in ${name}: it has ${there}; use one of them`,
    )
  throw new ProviderError(
    'NOT_FOUND',
    `Cannot choose an image in ${name}: ${matching.length} fit, and its tags are ${there}; name one tag, or one digest as in ${name}@sha256:…`,
  )
}

const blobPath = (digest: Digest) => join('blobs', 'sha256', hexOf(digest))

/** Opens a file of the layout; a link that leads out of it, and what is no file, are refused. */
async function openInside(folder: string, path: string, name: string): Promise<FileHandle> {
  let file: FileHandle
  try {
    const root = await realpath(folder)
    const real = await realpath(join(root, path))
    if (!real.startsWith(root.endsWith(sep) ? root : `${root}${sep}`))
      throw new ProviderError(
        'BAD_IMAGE',
        `Cannot read ${path} in ${name}: it is a link out of the layout; copy the image again`,
      )
    // A FIFO would wait for a writer for ever.
    file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (error instanceof ProviderError) throw error
    throw unreadable(path, name, error)
  }
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw new ProviderError('BAD_IMAGE', `Cannot read ${path} in ${name}: it is no file; copy the image again`)
}

function unreadable(path: string, name: string, error: unknown): ProviderError {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOENT' && code !== 'ENOTDIR')
    return new ProviderError('NOT_FOUND', `Cannot read ${path} in ${name}: ${printable(messageOf(error))}`)
  if (path.startsWith('blobs'))
    return new ProviderError(
      'NOT_FOUND',
      `Cannot find ${path} in ${name}: the layout is incomplete; copy the image again`,
    )
  return new ProviderError(
    'NOT_FOUND',
    `Cannot find ${name}: there is no ${path}, so it is no OCI layout; check the folder, relative ones start at the program's`,
  )
}

async function readDocument(folder: string, path: string, name: string): Promise<Uint8Array> {
  const file = await openInside(folder, path, name)
  try {
    const bytes = Buffer.alloc(maxDocument + 1)
    let size = 0
    for (let read = 1; read > 0 && size < bytes.length; size += read)
      read = (await file.read(bytes, size, bytes.length - size, size)).bytesRead
    if (size <= maxDocument) return bytes.subarray(0, size)
    throw new ProviderError(
      'LIMIT_EXCEEDED',
      `Cannot read ${path} in ${name}: it is larger than 4 MiB, so it is no manifest`,
    )
  } finally {
    await file.close()
  }
}
