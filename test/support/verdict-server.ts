import { mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { converge } from '../../src/engine/converge.ts'
import { loadDistribution } from '../../src/engine/distribution.ts'
import { loadExtension } from '../../src/engine/extension.ts'
import { type ImageRequest, readImageOf } from '../../src/engine/image.ts'
import { loadInstalled } from '../../src/engine/installed.ts'
import type { LoadedMember } from '../../src/engine/member.ts'
import { packing } from '../../src/engine/pack.ts'
import { distributionName } from '../../src/engine/record.ts'
import { localTransport } from '../../src/host/local.ts'
import { survey } from '../../src/host/packaged.ts'
import type { Digest } from '../../src/model/digest.ts'
import { parseReference } from '../../src/model/reference.ts'
import { openCache } from '../../src/oci/cache.ts'
import type { Image } from '../../src/oci/image.ts'
import { openSource } from '../../src/oci/open.ts'
import type { ImageFacts } from '../../src/postgres/facts.ts'
import { settingsFor } from '../../src/postgres/packaged.ts'
import { debianBase, type Release } from './debian-packages.ts'
import type { PostgresRoot } from './postgres-says.ts'

const platform = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`

export interface LoadedExtension {
  readonly digest: Digest
  readonly member: LoadedMember
  readonly facts: ImageFacts
}

/** A distribution, and how its server is run with an instance of a store. */
interface Loaded {
  readonly digest: Digest
  readonly member: LoadedMember
  readonly facts: ImageFacts
  /** Of its image; a Postgres that apt has installed has none. */
  readonly layers: Image['layers']
  readonly run: (home: string, live: string) => Omit<PostgresRoot, 'work' | 'store'>
}

/** A store on this machine with a distribution, to which extensions are added by the engine, one after another. */
export class VerdictServer {
  readonly facts: ImageFacts
  readonly layers: Image['layers']
  /** Where the cluster is. */
  readonly work: string
  readonly #folder: string
  readonly #loaded: Loaded
  readonly #change: (changes: Parameters<typeof converge>[1]) => Promise<unknown>

  /**
   * @param folder for its store and cluster
   * @param isInstalled whether apt has put the Postgres there, and no image
   */
  static async start(folder: string, release: Release, isInstalled = false): Promise<VerdictServer> {
    const load = isInstalled ? loadAptPostgres : loadImage
    const loaded = await load(release, join(folder, 'store'))
    const server = new VerdictServer(folder, loaded)
    await server.#change([put(distributionName, loaded.digest, loaded.member)])
    return server
  }

  private constructor(folder: string, loaded: Loaded) {
    this.facts = loaded.facts
    this.layers = loaded.layers
    this.work = join(folder, 'work')
    this.#folder = folder
    this.#loaded = loaded
    const target = { ...targetOf(join(folder, 'store')), transport: localTransport() }
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
    await this.#change([put('extension', digest, { ...member, major: this.#loaded.member.major })])
    const store = join(this.#folder, 'store')
    const home = join(store, 'instances/main')
    const [live = ''] = readdirSync(join(home, 'live'))
    return { work: this.work, store, ...this.#loaded.run(home, join(home, 'live', live)) }
  }
}

async function loadImage(release: Release, store: string): Promise<Loaded> {
  const base = await debianBase(release)
  const request = await requestOf(`oci:${base}/oci:postgres`, join(base, 'cache'))
  const [{ member, image, facts }, { layers }] = await Promise.all([
    loadDistribution(request, store),
    readImageOf(request),
  ])
  const bin = facts.binDirectory
  const run: Loaded['run'] = (home, live) => ({
    ...{ root: realpathSync(join(home, 'current/root')), bin, libraryPath: join(live, 'system') },
  })
  return { digest: request.digest, member, facts: image, layers, run }
}

/** The same Debian, as a host on which apt has installed its Postgres. */
async function loadAptPostgres(release: Release, store: string): Promise<Loaded> {
  const base = await debianBase(release)
  const root = join(base, 'root')
  const enter = 'mount --bind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/tmp" && exec chroot "$0" sh "$@"'
  const target = {
    ...targetOf(store),
    transport: localTransport({ shell: ['unshare', '--mount', 'sh', '-c', enter, root] }),
  }
  const { servers } = await survey(target)
  const [server] = servers
  if (server === undefined) throw new Error(`no Postgres in ${root}`)
  const found = { server, cluster: `${release.major}/main` }
  const options = { platform, cache: openCache(join(base, 'cache')) }
  const { member, image, facts } = await loadInstalled(target, found, options)
  const run: Loaded['run'] = (_, live) => ({
    ...{ root, layers: join(base, 'apt'), bin: facts.binDirectory },
    settings: Object.fromEntries(settingsFor(server, live)),
  })
  return { digest: member.digest, member, facts: image, layers: [], run }
}

function targetOf(root: string) {
  return { sudo: false, root, instance: 'main', lockWait: 5, holder: 'test' }
}

/** Reads the only image of an OCI layout, for a distribution that it may be built on. */
export async function loadLayout(layout: string, { layers }: Pick<VerdictServer, 'layers'>): Promise<LoadedExtension> {
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const request = await requestOf(`oci:${layout}@${manifests[0].digest}`, join(layout, 'cache'))
  const base = layers.map(({ diffId }) => String(diffId))
  const { member, image } = await loadExtension(request, base)
  return { digest: request.digest, member, facts: image }
}

/** An image of this machine, in a cache of its own. */
export async function requestOf(text: string, cache: string): Promise<ImageRequest> {
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
