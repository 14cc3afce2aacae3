import { createReadStream } from 'node:fs'
import { readFile, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { z } from 'zod'
import { type Digest, hexOf } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { printable, quote } from '../model/quote.ts'
import { check, digestSchema, parseJson } from './schema.ts'
import type { Descriptor, Source } from './source.ts'

const maxManifest = 4 * 1024 * 1024
const refName = 'org.opencontainers.image.ref.name'

const layoutIndexSchema = z.object({
  manifests: z
    .array(
      z.object({
        mediaType: z.string().max(255),
        digest: digestSchema,
        size: z.int().min(0),
        annotations: z.record(z.string(), z.string()).nullish(),
      }),
    )
    .max(100_000),
})

/** An OCI image layout on this machine (image-spec, image-layout.md). What it says is proven as for a registry. */
export function layoutSource(path: string): Source {
  const name = `oci:${printable(path)}`
  const blobPath = async (digest: Digest) => {
    const folder = await realpath(path)
    const found = await realpath(join(folder, 'blobs', 'sha256', hexOf(digest))).catch(() => undefined)
    if (found === undefined)
      throw new ProviderError('NOT_FOUND', `Cannot find ${digest} in ${name}: the layout is incomplete`)
    if (!found.startsWith(`${folder}${sep}`))
      throw new ProviderError('BAD_IMAGE', `Cannot read ${digest} in ${name}: it is a link out of the layout`)
    return found
  }
  return {
    name,
    resolve: async (tag) => {
      const bytes = await readSmall(join(path, 'index.json')).catch((error) => {
        if (error instanceof ProviderError) throw error
        throw new ProviderError('NOT_FOUND', `Cannot find ${name}: there is no index.json, so it is no OCI layout`)
      })
      const { manifests } = check(layoutIndexSchema, parseJson(bytes, name), name)
      const matching = tag === undefined ? manifests : manifests.filter((one) => one.annotations?.[refName] === tag)
      const [only, ...more] = matching
      if (only !== undefined && more.length === 0)
        return { mediaType: only.mediaType, digest: only.digest, size: only.size }
      const tags = manifests.map((one) => one.annotations?.[refName]).filter((text) => text !== undefined)
      const there = printable(tags.join(', '), 300) || 'no tags'
      if (tag === undefined || more.length > 0)
        throw new ProviderError(
          'NOT_FOUND',
          `Cannot choose an image in ${name}: it holds ${matching.length}; name one of its tags: ${there}`,
        )
      throw new ProviderError('NOT_FOUND', `Cannot find the tag ${quote(tag)} in ${name}: it has ${there}`)
    },
    manifest: async (digest) => {
      const file = await blobPath(digest)
      const bytes = await readSmall(file)
      const mediaType = z.object({ mediaType: z.string().max(255) }).safeParse(parseJson(bytes, name))
      // umoci writes manifests without a media type, which is legal; their shape tells then.
      const guessed = z.object({ manifests: z.array(z.unknown()) }).safeParse(parseJson(bytes, name)).success
        ? 'index'
        : 'manifest'
      const type = mediaType.success ? mediaType.data.mediaType : `application/vnd.oci.image.${guessed}.v1+json`
      return { descriptor: { mediaType: type, digest, size: bytes.length }, bytes }
    },
    blob: async (descriptor: Descriptor) =>
      createReadStream(await blobPath(descriptor.digest), { highWaterMark: 1024 * 1024 }),
  }
}

async function readSmall(path: string): Promise<Uint8Array> {
  const { size } = await stat(path)
  if (size > maxManifest)
    throw new ProviderError('LIMIT_EXCEEDED', `Cannot read ${quote(path)}: it is larger than 4 MiB`)
  return readFile(path)
}
