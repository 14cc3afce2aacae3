import { mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { converge } from '../../src/engine/converge.ts'
import { loadDistribution } from '../../src/engine/distribution.ts'
import { loadExtension } from '../../src/engine/extension.ts'
import { type ImageRequest, readImageOf } from '../../src/engine/image.ts'
import type { LoadedMember } from '../../src/engine/member.ts'
import { packing } from '../../src/engine/pack.ts'
import { distributionName } from '../../src/engine/record.ts'
import { localTransport } from '../../src/host/local.ts'
import type { Digest } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import type { Image } from '../../src/oci/image.ts'
import { openSource } from '../../src/oci/open.ts'
import type { ImageFacts } from '../../src/postgres/facts.ts'
import { debianBase, type Release } from './debian-packages.ts'
import type { PostgresRoot } from './postgres-says.ts'

const platform = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`

export interface LoadedExtension {
  readonly digest: Digest
  readonly member: LoadedMember
  readonly facts: ImageFacts
}

/** A store on this machine with a distribution, to which extensions are added by the engine, one after another. */
export class VerdictServer {
  readonly facts: ImageFacts
  /** Of the distribution's image. */
  readonly layers: Image['layers']
  /** Where the cluster is. */
  readonly work: string
  readonly #folder: string
  readonly #member: LoadedMember
  readonly #change: (changes: Parameters<typeof converge>[1]) => Promise<unknown>

  /** @param folder for its store and cluster */
  static async start(folder: string, release: Release): Promise<VerdictServer> {
    const base = await debianBase(release)
    const request = await requestOf(`oci:${base}/oci:postgres`, join(base, 'cache'))
    const { member, image } = await loadDistribution(request, join(folder, 'store'))
    const { layers } = await readImageOf(request)
    const server = new VerdictServer(folder, { member, facts: image, layers })
    await server.#change([put(distributionName, request.digest, member)])
    return server
  }

  private constructor(
    folder: string,
    of: { readonly member: LoadedMember; readonly facts: ImageFacts; readonly layers: Image['layers'] },
  ) {
    const { member, facts, layers } = of
    this.facts = facts
    this.layers = layers
    this.work = join(folder, 'work')
    this.#folder = folder
    this.#member = member
    const target = {
      ...{ transport: localTransport(), sudo: false, root: join(folder, 'store'), instance: 'main' },
      ...{ lockWait: 5, holder: 'test' },
    }
    mkdirSync(join(folder, 'packs'))
    const packs = packing(join(folder, 'packs'))
    this.#change = (changes) =>
      converge(target, changes, {
        load: () => Promise.reject(new Error('the host has lost files')),
        files: () => new Map(),
        packing: packs,
        who: 'test',
      })
  }

  /** Installs the extension, in the place of the one before, and says how the server is run. */
  async add({ digest, member }: LoadedExtension): Promise<PostgresRoot> {
    // One for another major would wait, unseen, until its distribution comes.
    await this.#change([put('extension', digest, { ...member, major: this.#member.major })])
    const store = join(this.#folder, 'store')
    const home = join(store, 'instances/main')
    const [live = ''] = readdirSync(join(home, 'live'))
    return {
      ...{ work: this.work, root: realpathSync(join(home, 'current/root')), store },
      ...{ bin: this.#member.layout?.binDirectory ?? '', libraryPath: join(home, 'live', live, 'system') },
    }
  }
}

/** Reads the only image of an OCI layout, for a distribution that it may be built on. */
export async function loadLayout(layout: string, { layers }: Pick<VerdictServer, 'layers'>): Promise<LoadedExtension> {
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const request = await requestOf(`oci:${layout}@${manifests[0].digest}`, join(layout, 'cache'))
  const base = layers.map(({ diffId }) => String(diffId))
  const { member, image } = await loadExtension(request, base)
  return { digest: request.digest, member, facts: image }
}

async function requestOf(text: string, cache: string): Promise<ImageRequest> {
  const reference = parseReference(text)
  const source = openSource(reference, {})
  const digest = reference.digest ?? (await source.resolve(reference.tag)).digest
  return { source, reference, digest, platform, cache: openCache(cache) }
}

function put(name: string, digest: Digest, loaded: LoadedMember) {
  const { image } = loaded
  const major = loaded.major === undefined ? {} : { major: loaded.major }
  const member = { name, token: name, stack: 'shop/prod', reference: image, image, digest, platform, ...major }
  return { do: 'put' as const, loaded, member }
}
