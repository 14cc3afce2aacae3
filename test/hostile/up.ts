import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { converge } from '../../src/engine/converge.ts'
import { loadDistribution } from '../../src/engine/distribution.ts'
import { loadExtension } from '../../src/engine/extension.ts'
import { type ImageRequest, readFlatImage } from '../../src/engine/image.ts'
import { packing } from '../../src/engine/pack.ts'
import { distributionName } from '../../src/engine/record.ts'
import type { Transport } from '../../src/host/transport.ts'
import { parseReference } from '../../src/model/reference.ts'
import type { Tree } from '../../src/model/tree.ts'
import { openCache } from '../../src/oci/cache.ts'
import type { Environment } from '../../src/oci/environment.ts'
import { openSource } from '../../src/oci/open.ts'
import { temporaryFolder } from '../support/folder.ts'
import { targetAt } from '../support/store.ts'
import type { Kind } from './shape.ts'

export interface UpOptions {
  readonly kind: Kind
  readonly transport: Transport
  /** Kept between runs, as a controller does; a new one by default. */
  readonly cache?: string
  readonly root?: string
  readonly environment?: Environment
}

/** A host that never answers and writes down what it is asked to run. */
export function recorder(): { readonly transport: Transport; readonly heard: string[] } {
  const heard: string[] = []
  const exec = async (command: string) => {
    heard.push(command)
    throw new Error('the host was asked')
  }
  return { transport: { name: 'recorder', exec, close: async () => {} }, heard }
}

export function newCache(): string {
  return mkdtempSync(join(temporaryFolder(), 'cache-'))
}

async function request(image: string, options: { cache?: string; environment?: Environment }): Promise<ImageRequest> {
  const reference = parseReference(image)
  const source = openSource(reference, options.environment ?? {})
  const { digest } = await source.resolve(reference.tag)
  const cache = openCache(options.cache ?? newCache())
  return { source, reference, digest, platform: 'linux/amd64', cache }
}

/** All that `pulumi up` does with an image: resolve, read, prove, flatten, place, plan, push. */
export async function up(image: string, options: UpOptions): Promise<void> {
  const { kind, transport, root = '/var/lib/pgoci' } = options
  const asked = await request(image, options)
  const load = async () =>
    kind === 'extension' ? (await loadExtension(asked)).member : (await loadDistribution(asked, root)).member
  const loaded = await load()
  const { digest, image: pinned, platform, major } = loaded
  const name = kind === 'extension' ? 'probe' : distributionName
  const member = { name, token: 't', stack: 's', reference: image, image: pinned, digest, platform, major }
  await converge(targetAt(root, transport), [{ do: 'put', loaded, member }], {
    load,
    files: () => new Map(),
    who: 'tester@here',
    packing: packing(newCache()),
  })
}

/** The tree of an image, twice: as it is read, and as the controller's cache remembers it. */
export async function treesOf(image: string, special: 'refuse' | 'strip'): Promise<readonly Tree[]> {
  const asked = await request(image, {})
  return [(await readFlatImage(asked, special)).tree, (await readFlatImage(asked, special)).tree]
}
