import { type Digest, isDigest } from '../model/digest.ts'
import { ProviderError } from '../model/error.ts'
import type { ArchiveFiles } from './archive-files.ts'
import { chooseImage } from './choose.ts'
import { type DockerImage, dockerImages } from './docker-images.ts'
import { blobPath, layoutSource } from './layout.ts'
import type { ReadOptions } from './layout-files.ts'
import { imagesOf } from './platform.ts'
import { rememberByFile } from './remember.ts'
import { parseIndexOrManifest } from './schema.ts'
import type { Source } from './source.ts'

const maxDepth = 3

/** Compressed layers are hashed for it, so once a file and process. */
const remember = rememberByFile<DockerImage[] | undefined>()

/**
 * What `docker save` writes. Since version 25 that is an OCI layout as well, and is read as one where it is complete;
 * its manifest.json is what all versions have.
 */
export function dockerArchiveSource(files: ArchiveFiles): Source {
  const { name } = files
  const layout = layoutSource(files)
  const images = async (options: ReadOptions = {}) =>
    remember(files.path, await files.identity(), () => dockerImages(files, options))
  return {
    name,
    resolve: async (tag, options) => {
      const listed = await images(options)
      if (listed === undefined) {
        if (await files.find('index.json', options)) return layout.resolve(tag, options)
        throw new ProviderError(
          'NOT_FOUND',
          `Cannot find ${name}: there is no manifest.json, so it is no archive of docker save; check the path`,
        )
      }
      const digest = await completeIn(files, layout, { ...options, tag })
      return { digest: digest ?? chooseImage(listed, tag, name) }
    },
    tags: async (options) => ((await images(options)) ?? []).flatMap(({ names }) => names),
    manifest: async (digest, options) => {
      if (await files.find(blobPath(digest), options)) return layout.manifest(digest, options)
      const image = (await images(options))?.find((one) => one.digest === digest)
      if (image) return image.manifest
      throw new ProviderError(
        'NOT_FOUND',
        `Cannot find ${digest} in ${name}: that is not among its images; save it again, or change the reference`,
      )
    },
    blob: async (descriptor, options) => {
      const { digest } = descriptor
      if (await files.find(blobPath(digest), options)) return layout.blob(descriptor, options)
      const path = (await images(options))?.find(({ paths }) => paths.has(digest))?.paths.get(digest)
      const file = path === undefined ? undefined : await files.open(path, options)
      return file?.bytes ?? layout.blob(descriptor, options)
    },
    referrers: async (digest, options) =>
      (await files.find('index.json', options)) ? layout.referrers(digest, options) : [],
  }
}

/** The image in the archive's OCI layout, if that is whole: Docker 25.0 leaves its index empty, others leave blobs out. */
async function completeIn(
  files: ArchiveFiles,
  layout: Source,
  options: ReadOptions & { readonly tag: string | undefined },
): Promise<Digest | undefined> {
  const signal = options.signal ? { signal: options.signal } : {}
  const isComplete = async (digest: Digest, depth: number): Promise<boolean> => {
    if (depth > maxDepth || !(await files.find(blobPath(digest), signal))) return false
    const document = parseIndexOrManifest(await layout.manifest(digest, signal), files.name)
    if ('manifest' in document) {
      for (const { digest } of [document.manifest.config, ...document.manifest.layers])
        if (!(await files.find(blobPath(digest), signal))) return false
      return true
    }
    // A machine has seldom more than its own platform of an index.
    for (const { digest } of imagesOf(document.index))
      if (isDigest(digest) && (await isComplete(digest, depth + 1))) return true
    return false
  }
  try {
    const { digest } = await layout.resolve(options.tag, signal)
    return (await isComplete(digest, 1)) ? digest : undefined
  } catch (error) {
    if (error instanceof ProviderError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}
