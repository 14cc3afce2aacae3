import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type Digest, digestOf, hexOf } from '../../src/model/digest.ts'
import { file, tar } from './tar.ts'

export interface Blob {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly bytes: Buffer
}

export interface TestImage {
  readonly manifest: Blob
  readonly config: Blob
  readonly layers: readonly Blob[]
}

const oci = 'application/vnd.oci.image'

export function blob(mediaType: string, content: Buffer | object): Blob {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
  return { mediaType, digest: digestOf(bytes), size: bytes.length, bytes }
}

export const descriptor = ({ mediaType, digest, size }: Blob) => ({ mediaType, digest, size })

/** An image of layers that are tars, or gzipped tars; what is given in `manifest` or `config` replaces ours. */
export function image(
  layers: readonly Buffer[],
  options: { architecture?: string; manifest?: object; config?: object; diffIds?: readonly Digest[] } = {},
): TestImage {
  const gzipped = (layer: Buffer) => layer[0] === 0x1f && layer[1] === 0x8b
  const blobs = layers.map((layer) => blob(`${oci}.layer.v1.tar${gzipped(layer) ? '+gzip' : ''}`, layer))
  const config = blob(`${oci}.config.v1+json`, {
    os: 'linux',
    architecture: options.architecture ?? 'amd64',
    rootfs: {
      type: 'layers',
      diff_ids: options.diffIds ?? layers.map((layer) => digestOf(gzipped(layer) ? gunzipSync(layer) : layer)),
    },
    config: {},
    ...options.config,
  })
  const manifest = blob(`${oci}.manifest.v1+json`, {
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    config: descriptor(config),
    layers: blobs.map(descriptor),
    ...options.manifest,
  })
  return { manifest, config, layers: blobs }
}

/** An index of images by their architecture; `more` are entries of other kinds, put first. */
export function index(images: Readonly<Record<string, TestImage>>, more: readonly object[] = []): Blob {
  const manifests = Object.entries(images).map(([architecture, { manifest }]) => {
    const [name, variant] = architecture.split('/')
    return { ...descriptor(manifest), platform: { os: 'linux', architecture: name, ...(variant ? { variant } : {}) } }
  })
  return blob(`${oci}.index.v1+json`, { schemaVersion: 2, manifests: [...more, ...manifests] })
}

export const blobsOf = ({ manifest, config, layers }: TestImage): Blob[] => [manifest, config, ...layers]

/** The files of an OCI layout whose tags lead to these manifests or indexes. */
export function layoutFilesOf(tags: Readonly<Record<string, Blob>>, blobs: readonly Blob[]): Map<string, Buffer> {
  const manifests = Object.entries(tags).map(([tag, one]) => ({
    ...descriptor(one),
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }))
  return new Map([
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ['index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }))],
    ...[...Object.values(tags), ...blobs].map((one): [string, Buffer] => [
      `blobs/sha256/${hexOf(one.digest)}`,
      one.bytes,
    ]),
  ])
}

export function writeLayoutOf(folder: string, tags: Readonly<Record<string, Blob>>, blobs: readonly Blob[]): void {
  mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true })
  for (const [path, bytes] of layoutFilesOf(tags, blobs)) writeFileSync(join(folder, path), bytes)
}

/** An archive of files, in their order. */
export function tarOf(files: ReadonlyMap<string, Buffer>): Buffer {
  return tar(...[...files].map(([path, bytes]) => file(path, bytes)))
}
