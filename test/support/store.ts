import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type ConvergeOptions, converge } from '../../src/engine/converge.ts'
import type { Change } from '../../src/engine/declare.ts'
import type { LoadedMember } from '../../src/engine/member.ts'
import { type Packing, packing } from '../../src/engine/pack.ts'
import type { Relay } from '../../src/engine/relay.ts'
import type { Freed } from '../../src/host/freed.ts'
import { probe } from '../../src/host/probe.ts'
import type { StoreTarget } from '../../src/host/store.ts'
import type { Transport } from '../../src/host/transport.ts'
import { type Digest, digestOf } from '../../src/model/digest.ts'
import { addParents, type Entry, treeDigest } from '../../src/model/tree.ts'
import { treeDigestOf } from './store-check.ts'

/** Path below `root/` or `live/` → text of a file, or where a link leads; a path that ends in `*` is executable. */
export type Files = Readonly<Record<string, string | Uint8Array | { readonly to: string }>>

const layout = {
  mode: 'relocatable',
  binDirectory: 'bin',
  libraryDirectory: 'lib/postgresql',
  shareDirectory: 'share/postgresql',
} as const

/** Files of a Postgres prefix, or of an extension for it, under the names that {@link imageOf} takes. */
export function placed(files: ReadonlyMap<string, Uint8Array | { link: string }>): Files {
  return Object.fromEntries(
    [...files].map(([path, content]) => {
      const live = /^(lib|share)\/postgresql\//.exec(path)
      const name = live ? `live/${live[1]}/${path.slice(live[0].length)}` : `root/${path}`
      return 'link' in content ? [name, { to: content.link }] : [/^bin\//.test(path) ? `${name}*` : name, content]
    }),
  )
}

/** An image with these files, as the engine has it after loading; `reads` counts the files that were asked for. */
export function imageOf(files: Files, options: { distribution: boolean }): LoadedMember & { reads: number } {
  const tree = new Map<string, Entry>()
  const contents = new Map<Digest, Buffer>()
  for (const [name, value] of Object.entries(files)) {
    const path = name.replace(/\*$/, '')
    addParents(tree, path)
    if (typeof value === 'object' && 'to' in value) {
      tree.set(path, { kind: 'link', target: value.to })
    } else {
      const bytes = Buffer.from(value)
      const digest = digestOf(bytes)
      contents.set(digest, bytes)
      tree.set(path, { kind: 'file', digest, size: bytes.length, executable: name.endsWith('*') })
    }
  }
  const digest = treeDigest(tree)
  return {
    reads: 0,
    digest,
    image: `example.org/image@${digest}`,
    platform: 'linux/amd64',
    tree,
    treeDigest: digest,
    major: 18,
    compression: 1,
    labels: {},
    layout: options.distribution ? layout : undefined,
    async *contents(wanted) {
      for (const [one, bytes] of contents) {
        if (!wanted.has(one)) continue
        this.reads += 1
        yield { digest: one, size: bytes.length, content: Readable.from([bytes]) }
      }
    },
  }
}

function put(name: string, loaded: LoadedMember): Change {
  const { digest, image, platform, major } = loaded
  return {
    do: 'put',
    loaded,
    member: { name, token: 't', stack: 's', reference: 'example.org/image', image, digest, platform, major },
  }
}

export function targetAt(root: string, transport: Transport, more: Partial<StoreTarget> = {}): StoreTarget {
  return { transport, sudo: false, root, instance: 'main', lockWait: 20, holder: 'tester@here', ...more }
}

// Its files have no name, so nothing is left of them.
const packs = packing(tmpdir())

/** Makes the host have these images, by the engine's own algorithm. */
export async function install(
  target: StoreTarget,
  images: Readonly<Record<string, LoadedMember>>,
  options: { signal?: AbortSignal; relay?: Relay; packing?: Packing; load?: ConvergeOptions['load'] } = {},
): Promise<Freed | undefined> {
  const { freed } = await converge(
    target,
    Object.entries(images).map(([name, loaded]) => put(name, loaded)),
    {
      load: async ({ name }) => images[name] as LoadedMember,
      files: () => new Map(),
      who: 'tester@here',
      packing: packs,
      ...options,
    },
  )
  return freed
}

export async function generationOf(target: StoreTarget): Promise<number> {
  return (await probe(target, { verify: 'none' })).generation
}

/**
 * The digests of the two trees that a server sees now, after reading all of them. Fails when a link is missing, leads
 * nowhere, or when a tree does not hold what its name says.
 */
export function completeState(
  root: string,
  instance = 'main',
  options: { afterKill?: boolean } = {},
): { generation: number; root: string; live: string } | undefined {
  const home = join(root, 'instances', instance)
  if (!lstatSync(join(home, 'current'), { throwIfNoEntry: false })) return undefined
  const generation = Number(readlinkSync(join(home, 'current')).replace('generations/', ''))
  const current = join(home, 'current')
  const distribution = readlinkSync(join(current, 'distribution'))
  const digests = ['root', 'live'].map((role) => {
    const name = readlinkSync(join(current, role)).replace(/^.*\//, '')
    const digest = treeDigestOf(join(root, 'trees', name))
    if (digest !== name.replace(/-.*/, '')) throw new Error(`${role} holds ${digest}, not ${name}`)
    return digest
  })
  // Through the names that servers use.
  if (treeDigestOf(`${join(home, 'root')}/.`) !== digests[0]) throw new Error('root leads elsewhere')
  const seen = treeDigestOf(`${join(home, 'live', distribution)}/.`)
  if (seen !== digests[1] && !options.afterKill) throw new Error('live leads elsewhere')
  const generations = readdirSync(join(home, 'generations')).map((name) => join(home, 'generations', name))
  const born = generations.filter((one) => existsSync(join(one, 'switched')) || one.endsWith(`/${generation}`))
  for (const key of new Set(born.map((one) => readlinkSync(join(one, 'distribution'))))) {
    // Whatever happens, a server sees the modules of its own distribution.
    const link = join(home, 'live', key)
    if (
      readlinkSync(join(link, '../..', readlinkSync(link).replace(/^\.\.\/(.*)\/live$/, '$1/distribution'))) !== key
    ) {
      throw new Error(`live/${key} shows another distribution`)
    }
  }
  JSON.parse(readFileSync(join(current, 'record.json'), 'utf8'))
  return { generation, root: digests[0] ?? '', live: digests[1] ?? '' }
}

/** Fails when an object does not hold what its name says; returns how many there are. */
export function checkObjects(root: string): number {
  const names = readdirSync(join(root, 'objects'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes('/'),
  )
  for (const name of names) {
    const found = createHash('sha256')
      .update(readFileSync(join(root, 'objects', name)))
      .digest('hex')
    if (found !== name.slice(3, 67)) throw new Error(`object ${name} holds ${found}`)
  }
  return names.length
}

export function stagingOf(root: string): string[] {
  const staging = join(root, 'staging')
  return existsSync(staging) ? readdirSync(staging) : []
}
