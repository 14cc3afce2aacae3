import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf, hexOf } from '../../src/model/digest.ts'
import type { Image } from '../../src/oci/image.ts'
import { command } from './command.ts'

const type = 'application/vnd.oci.image'

/**
 * Packs a folder, by GNU tar, as the only image of an OCI layout; or as the layer above those of `base`, which are named
 * and not there.
 */
export async function packFolder(layout: string, folder: string, base: Image['layers'] = []): Promise<void> {
  const blobs = join(layout, 'blobs', 'sha256')
  mkdirSync(blobs, { recursive: true })
  const put = (bytes: Buffer) => {
    const digest = digestOf(bytes)
    writeFileSync(join(blobs, hexOf(digest)), bytes)
    return { digest, size: bytes.length }
  }
  const file = join(layout, 'layer.tar')
  // Overlayfs has devices where something was removed.
  const words = ['-C', folder, '--owner=0', '--group=0', '--no-recursion', '--null', '-T', '-', '-cf', file]
  const found = await command('find', ['.', '!', '-type', 'c', '-print0'], { cwd: folder })
  await command('tar', words, { input: found })
  const layer = put(readFileSync(file))
  rmSync(file)
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const json = (value: object) => put(Buffer.from(JSON.stringify(value)))
  const ids = [...base.map(({ diffId }) => diffId), layer.digest]
  const config = json({ os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: ids }, config: {} })
  const manifest = json({
    ...{ schemaVersion: 2, mediaType: `${type}.manifest.v1+json` },
    config: { mediaType: `${type}.config.v1+json`, ...config },
    layers: [
      ...base.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      { mediaType: `${type}.layer.v1.tar`, ...layer },
    ],
  })
  const index = { schemaVersion: 2, manifests: [{ mediaType: `${type}.manifest.v1+json`, ...manifest }] }
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index))
}
