import { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { decompress } from '../../src/archive/decompress.ts'
import { flatten } from '../../src/layer/flatten.ts'
import { readLayer } from '../../src/layer/read.ts'
import { ProviderError } from '../../src/model/error.ts'
import { sampleLayers } from '../support/sample.ts'
import { file, meta, pax, tar } from '../support/tar.ts'
import type { Reader } from './readers.ts'

const long = `${'folder/'.repeat(30)}file`
const layers = [
  ...sampleLayers('x'),
  tar(
    pax({ path: long, size: '3' }),
    file('short', 'abc'),
    meta('L', `${long}2\0`),
    file('short', 'x'),
    pax({ comment: 'x' }, 'g'),
  ),
]
/** A frame of zstd that readers pass over. */
const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
/** Small enough that damage meets their headers. */
const samples = layers.filter(({ length }) => length < 20_000)

async function read(bytes: Buffer): Promise<unknown> {
  const layer = await readLayer(decompress(Readable.from([bytes])), { special: 'strip' })
  return [flatten([layer, layer], { special: 'strip' }), flatten([layer])]
}

export const archiveReaders: readonly Reader[] = [
  { name: 'layers', samples, read, throws: ProviderError },
  {
    name: 'layers whose headers have good checksums',
    samples,
    read: (bytes) => read(summed(bytes)),
    throws: ProviderError,
  },
  {
    name: 'compressed layers',
    samples: layers.flatMap((layer) => [
      gzipSync(layer),
      Buffer.concat([gzipSync(layer.subarray(0, 512)), gzipSync(layer.subarray(512))]),
      zstdCompressSync(layer),
      Buffer.concat([skippable, zstdCompressSync(layer.subarray(0, 512)), zstdCompressSync(layer.subarray(512))]),
    ]),
    read,
    throws: ProviderError,
  },
]

/** As whoever forges a layer would sum them. */
function summed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  for (let at = 0; at + 512 <= copy.length; at += 512) {
    const block = copy.subarray(at, at + 512)
    if (block[156] === 0 || !/^[0-7]{6}/.test(block.toString('latin1', 148, 154))) continue
    block.fill(' ', 148, 156)
    const sum = block.reduce((total, byte) => total + byte, 0)
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  }
  return copy
}
