import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { readFlatImage } from '../../src/engine/image.ts'
import type { Digest } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import type { Environment } from '../../src/oci/environment.ts'
import { openSource } from '../../src/oci/open.ts'
import { temporaryFolder } from './folder.ts'
import { describeTree } from './tar.ts'

export interface Pulled {
  /** What the tag leads to. */
  readonly digest: Digest
  readonly manifest: Digest
  readonly labels: Readonly<Record<string, string>>
  readonly mediaTypes: readonly string[]
  readonly tree: readonly string[]
}

/** Reads an image as `up` does, into an empty cache: tag, manifests, config, every layer to its last byte, the tree. */
export async function pulled(text: string, environment: Environment = {}, platform = 'linux/amd64'): Promise<Pulled> {
  const reference = parseReference(text)
  const source = openSource(reference, environment)
  const digest = reference.digest ?? (await source.resolve(reference.tag)).digest
  const cache = openCache(mkdtempSync(join(temporaryFolder(), 'cache-')))
  const { image, tree } = await readFlatImage({ source, reference, digest, platform, cache }, 'strip')
  const { manifest, labels, layers } = image
  return { digest, manifest, labels, mediaTypes: layers.map(({ mediaType }) => mediaType), tree: describeTree(tree) }
}
