import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { z } from 'zod'
import { isCompressed } from '../archive/decompress.ts'
import { type Digest, digestFromHex, digestOf, hexOf } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { quote } from '../model/quote.ts'
import { parseTreePath } from '../model/tree.ts'
import type { ArchiveFiles } from './archive-files.ts'
import type { NamedImage } from './choose.ts'
import { parseJson } from './json.ts'
import { type ReadOptions, readDocument } from './layout-files.ts'
import { check, parseConfig } from './schema.ts'
import type { Descriptor } from './source.ts'

const path = z.string().min(1).max(1024)
// Docker writes `null` where a list is empty.
const listSchema = z
  .array(
    z.object({
      Config: path,
      RepoTags: z.array(z.string().max(1024)).max(1000).nullish(),
      Layers: z.array(path).max(256).nullish(),
    }),
  )
  .max(1000)
  .nullable()

type Listed = NonNullable<z.infer<typeof listSchema>>[number]

/** An image of `docker save`, with the manifest that it would have in a registry. */
export interface DockerImage extends NamedImage {
  readonly manifest: Buffer
  /** Where in the archive its config and layers are. */
  readonly paths: ReadonlyMap<Digest, string>
}

/**
 * The images that manifest.json lists; `undefined` when there is no such file. Such an archive has no manifests, so
 * they are made here, always the same from the same content: what is pinned is their digest. Only compressed layers
 * are read for it: the digest of others is in the config, and is proven when they are used.
 */
export async function dockerImages(files: ArchiveFiles, options: ReadOptions): Promise<DockerImage[] | undefined> {
  const list = await readDocument(files, 'manifest.json', options)
  if (list === undefined) return undefined
  const images: DockerImage[] = []
  const digests = new Map<string, Digest>()
  for (const listed of check(listSchema, parseJson(list, files.name), files.name) ?? [])
    images.push(await toImage(files, listed, { ...options, digests }))
  return images
}

interface MakeOptions extends ReadOptions {
  /** Of compressed layers, by their paths: images share layers. */
  readonly digests: Map<string, Digest>
}

async function toImage(files: ArchiveFiles, listed: Listed, options: MakeOptions): Promise<DockerImage> {
  const { name } = files
  const configPath = member(listed.Config, name)
  const bytes = (await readDocument(files, configPath, options)) ?? missing(configPath, name)
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(bytes), size: bytes.length }
  // Whoever names it by an ID means its bytes (CVE-2014-9358: IDs were believed).
  const id = /^(?:sha256:)?([0-9a-f]{64})(?:\.json)?$/.exec(posix.basename(configPath))?.[1]
  if (id !== undefined && id !== hexOf(config.digest))
    throw new ProviderError(
      'DIGEST_MISMATCH',
      `Cannot use ${name}: its config ${quote(configPath)} has the digest ${config.digest}; it is damaged, save the image again`,
    )
  const ids = parseConfig(bytes, name).rootfs.diff_ids
  const layerPaths = (listed.Layers ?? []).map((layer) => member(layer, name))
  if (ids.length !== layerPaths.length)
    throw new ProviderError(
      'BAD_IMAGE',
      `Cannot use ${name}: an image has ${layerPaths.length} layers, its config lists ${ids.length}; save the image again`,
    )
  const paths = new Map([[config.digest, configPath]])
  const layers: Descriptor[] = []
  for (const [index, layerPath] of layerPaths.entries()) {
    const layer = await describeLayer(files, { path: layerPath, diffId: ids[index] as Digest }, options)
    paths.set(layer.digest, layerPath)
    layers.push(layer)
  }
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }))
  return { digest: digestOf(manifest), names: listed.RepoTags ?? [], manifest, paths }
}

async function describeLayer(
  files: ArchiveFiles,
  { path, diffId }: { readonly path: string; readonly diffId: Digest },
  options: MakeOptions,
): Promise<Descriptor> {
  const place = (await files.find(path, options)) ?? missing(path, files.name)
  const mediaType = 'application/vnd.oci.image.layer.v1.tar'
  if (!isCompressed(place.head)) return { mediaType, digest: diffId, size: place.size }
  const digest = options.digests.get(path) ?? (await digestOfMember(files, path, options))
  options.digests.set(path, digest)
  return { mediaType: `${mediaType}+${place.head[0] === 0x1f ? 'gzip' : 'zstd'}`, digest, size: place.size }
}

async function digestOfMember(files: ArchiveFiles, path: string, options: ReadOptions): Promise<Digest> {
  const hash = createHash('sha256')
  const file = (await files.open(path, options)) ?? missing(path, files.name)
  for await (const chunk of file.bytes as AsyncIterable<Buffer>) hash.update(chunk)
  return digestFromHex(hash.digest('hex'))
}

function member(text: string, name: string): string {
  try {
    return parseTreePath(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new ProviderError(
      'BAD_IMAGE',
      `Cannot use ${name}: its manifest.json names ${quote(text)}, which ${error.message}; save the image again`,
    )
  }
}

function missing(path: string, name: string): never {
  throw new ProviderError(
    'NOT_FOUND',
    `Cannot find ${quote(path)} in ${name}: the archive is incomplete; save the image again`,
  )
}
