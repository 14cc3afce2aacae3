import { z } from 'zod'
import { type Digest, hexOf } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import { chooseImage, type NamedImage } from './choose.ts'
import { parseJson } from './json.ts'
import { type LayoutFiles, type ReadOptions, readDocument } from './layout-files.ts'
import { manifestsIn, referrersAmong, refName } from './referrers.ts'
import { check, digestSchema } from './schema.ts'
import type { Source } from './source.ts'

// What BuildKit, containerd and Docker write besides: the whole reference, where theirs of refName is only its tag.
const containerdName = 'io.containerd.image.name'

const layoutSchema = z.object({ imageLayoutVersion: z.string().regex(/^1\./) })
const indexSchema = z.object({
  manifests: z
    .array(z.object({ digest: digestSchema, annotations: z.record(z.string(), z.string()).nullish() }))
    .max(100_000)
    // Docker 25.0 writes it so.
    .nullish(),
})

type Entry = NonNullable<z.infer<typeof indexSchema>['manifests']>[number]

/** Where a layout has a blob. */
export const blobPath = (digest: Digest) => `blobs/sha256/${hexOf(digest)}`

/** An OCI image layout on this machine (image-spec, image-layout.md). What it says is proven as for a registry. */
export function layoutSource(files: LayoutFiles): Source {
  const { name } = files
  const read = async (path: string, options: ReadOptions | undefined) =>
    (await readDocument(files, path, options)) ?? (await fail(files, path))
  const images = async (options: ReadOptions | undefined) => {
    check(layoutSchema, parseJson(await read('oci-layout', options), name), name)
    const index = parseJson(await read('index.json', options), name)
    return (check(indexSchema, index, name).manifests ?? []).map(named)
  }
  return {
    name,
    resolve: async (tag, options) => ({ digest: chooseImage(await images(options), tag, name) }),
    tags: async (options) => (await images(options)).flatMap(({ names }) => names),
    manifest: async (digest, options) => read(blobPath(digest), options),
    blob: async (descriptor, options) => {
      const path = blobPath(descriptor.digest)
      return ((await files.open(path, options)) ?? (await fail(files, path))).bytes
    },
    referrers: async (digest, options) =>
      referrersAmong(manifestsIn(await read('index.json', options)), digest, (one) => read(blobPath(one), options)),
  }
}

function named({ digest, annotations }: Entry): NamedImage {
  return { digest, names: [annotations?.[containerdName] ?? [], annotations?.[refName] ?? []].flat() }
}

async function fail({ name, open }: LayoutFiles, path: string): Promise<never> {
  if (path.startsWith('blobs/'))
    throw new ProviderError(
      'NOT_FOUND',
      `Cannot find ${path} in ${name}: the layout is incomplete; copy the image again`,
    )
  const docker = name.startsWith('oci-archive:') ? await open('manifest.json') : undefined
  docker?.bytes.destroy()
  const advice = docker
    ? `it is one of docker save, write docker-${name.slice('oci-'.length)}`
    : "check the path, relative ones start at the program's folder"
  throw new ProviderError('NOT_FOUND', `Cannot find ${name}: there is no ${path}, so it is no OCI layout; ${advice}`)
}
