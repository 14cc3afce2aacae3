import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { command } from './command.ts'
import { blob, blobsOf, descriptor, image, writeLayoutOf } from './layout.ts'
import { amd64, both, sampleBlobs, sampleLayers } from './sample.ts'

const layerType = 'application/vnd.oci.image.layer.v1.tar'
const indexType = 'application/vnd.oci.image.index.v1+json'
const nested = blob(indexType, { schemaVersion: 2, mediaType: indexType, manifests: [descriptor(both)] })
const ofTools = ['docker', 'zstd', 'chunked'] as const
const plain = Object.fromEntries(['plain', ...ofTools].map((mark) => [mark, image(sampleLayers(mark))]))

interface ServerImage {
  readonly name: string
  /** Of the sample's files; skopeo sends no layer again that it knows to be there in another compression. */
  readonly mark: string
  /** Of its layers. */
  readonly mediaType: string
}

/** The sample in all that clients may meet. */
export const serverImages: readonly ServerImage[] = [
  { name: 'plain', mark: 'plain', mediaType: layerType },
  { name: 'gzip', mark: 'amd64', mediaType: `${layerType}+gzip` },
  { name: 'index', mark: 'amd64', mediaType: `${layerType}+gzip` },
  { name: 'nested', mark: 'amd64', mediaType: `${layerType}+gzip` },
  { name: 'docker', mark: 'docker', mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' },
  { name: 'zstd', mark: 'zstd', mediaType: `${layerType}+zstd` },
  { name: 'chunked', mark: 'chunked', mediaType: `${layerType}+zstd` },
]

/** Has skopeo, buildah and regctl push them, as `team/NAME:1`, to an anonymous registry without TLS. */
export async function pushImages(folder: string, host: string): Promise<void> {
  const layout = join(folder, 'layout')
  const home = join(folder, 'home')
  mkdirSync(home, { recursive: true })
  const env = { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: home }
  const run = (program: string, ...words: readonly string[]) => command(program, words, { env })
  const manifests = Object.fromEntries(Object.entries(plain).map(([mark, { manifest }]) => [mark, manifest]))
  const tags = { ...manifests, gzip: amd64.manifest, index: both, nested }
  writeLayoutOf(layout, tags, [both, ...sampleBlobs, ...Object.values(plain).flatMap(blobsOf)])
  await run('regctl', 'registry', 'set', '--skip-check', '--tls=disabled', host)
  for (const tag of ['plain', 'gzip', 'index', 'nested'])
    await run('regctl', 'image', 'copy', `ocidir://${layout}:${tag}`, `${host}/team/${tag}:1`)
  const to = (name: string) => `docker://${host}/team/${name}:1`
  const copy = ['copy', '--insecure-policy', '--dest-tls-verify=false']
  await run('skopeo', ...copy, '--format=oci', '--dest-compress-format=zstd', `oci:${layout}:zstd`, to('zstd'))
  await run('skopeo', ...copy, '--format=v2s2', `oci:${layout}:docker`, to('docker'))
  const words = [`--root=${home}/store`, `--runroot=${home}/run`, '--storage-driver=vfs']
  // In this folder, because buildah takes a path with capitals for a name.
  const buildah = (...more: readonly string[]) => command('buildah', [...words, ...more], { env, cwd: folder })
  const id = (await buildah('pull', '--quiet', 'oci:layout:chunked')).trim()
  const chunked = ['--format=oci', '--compression-format=zstd:chunked']
  await buildah('push', '--quiet', '--tls-verify=false', ...chunked, id, to('chunked'))
}
