import { gzipSync } from 'node:zlib'
import { blobsOf, image, index } from './layout.ts'
import { directory, file, hardlink, link, sum, tar } from './tar.ts'

/** Long enough for several chunks, without a pattern that compresses away. */
const long = Array.from({ length: 20_000 }, (_, at) => ((at * 2_654_435_761) % 4_294_967_296).toString(36)).join('')

/** Two layers with all that a tree can have, and what they must become. */
export function sampleLayers(mark: string): Buffer[] {
  return [
    tar(
      directory('usr'),
      directory('usr/bin'),
      file('usr/bin/tool', `#!${mark}`, 0o755),
      hardlink('usr/bin/same', 'usr/bin/tool'),
      directory('usr/lib'),
      file('usr/lib/a.so', long),
      file('usr/lib/empty'),
      link('lib', 'usr/lib'),
      directory('etc'),
      file('etc/gone', 'gone'),
      directory('share'),
      file('share/hidden', 'hidden'),
    ),
    tar(file('etc/.wh.gone'), file('share/.wh..wh..opq'), file('share/seen', mark), file('lib/b.so', mark)),
  ]
}

export const sampleTree = (mark: string) =>
  [
    'etc/',
    'lib -> usr/lib',
    'share/',
    `share/seen = ${sum(mark)}`,
    'usr/',
    'usr/bin/',
    `usr/bin/same* = ${sum(`#!${mark}`)}`,
    `usr/bin/tool* = ${sum(`#!${mark}`)}`,
    'usr/lib/',
    `usr/lib/a.so = ${sum(long)}`,
    `usr/lib/b.so = ${sum(mark)}`,
    `usr/lib/empty = ${sum('')}`,
  ].sort()

/** The sample for two platforms, gzipped, and the index of both. */
export const amd64 = image(sampleLayers('amd64').map((layer) => gzipSync(layer)))
export const arm64 = image(
  sampleLayers('arm64').map((layer) => gzipSync(layer)),
  { architecture: 'arm64' },
)
export const both = index({ amd64, arm64 })
export const sampleBlobs = [...blobsOf(amd64), ...blobsOf(arm64)]
