import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { digestOf } from '../../src/model/digest.ts'
import { image } from '../support/layout.ts'
import { file, tar } from '../support/tar.ts'
import { below, type Hostile, type Legal, onlyExtension, writeImage } from './shape.ts'

/** Bytes of a layer that is compressed in an odd way, above one that could be installed. */
function packed(cases: readonly (readonly [what: string, layer: Buffer, says: RegExp])[]): Hostile[] {
  return cases.map(([what, layer, says]) => ({
    what,
    says,
    kinds: onlyExtension,
    write: (folder, kind) =>
      writeImage(folder, image([below[kind], layer], { diffIds: [digestOf(below[kind]), digestOf(plain)] })),
  }))
}

const content = Array.from({ length: 60_000 }, (_, at) => String.fromCharCode(33 + ((at * at) % 89))).join('')
const plain = tar(file('a', content))
const half = plain.length >> 1
const halves = [plain.subarray(0, half), plain.subarray(half)] as const
const gzip = gzipSync(plain)
const headerOf = (flags: number, ...more: readonly (string | Buffer)[]) =>
  Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3]),
    ...more.map((part) => Buffer.from(part as string)),
    gzip.subarray(10),
  ])
const changed = (bytes: Buffer, at: number, mask = 1) => Buffer.from(bytes.with(at, (bytes.at(at) ?? 0) ^ mask))
const after = (bytes: Buffer, ...more: readonly (Buffer | string)[]) =>
  Buffer.concat([bytes, ...more.map((part) => Buffer.from(part as string))])
const damaged = /damaged or ends early/
const hidden = /data after the end of its gzip stream/

const gzips = packed([
  ['the magic alone', gzip.subarray(0, 2), damaged],
  ['a cut header', gzip.subarray(0, 9), damaged],
  ['a header alone', gzip.subarray(0, 10), damaged],
  ['a cut in the first block', gzip.subarray(0, 100), damaged],
  ['a cut in the middle', gzip.subarray(0, gzip.length >> 1), damaged],
  ['no trailer', gzip.subarray(0, -8), damaged],
  ['half a trailer', gzip.subarray(0, -4), damaged],
  ['a byte too few', gzip.subarray(0, -1), damaged],
  ['a wrong checksum', changed(gzip, -8), /incorrect data check/],
  ['a wrong length', changed(gzip, -1), /incorrect length check/],
  ['a changed byte', changed(gzip, gzip.length >> 1), damaged],
  ['a method that is not deflate', changed(gzip, 2), damaged],
  ['reserved flags', headerOf(0x80), damaged],
  ['a wrong checksum of the header', headerOf(2, Buffer.from([1, 2])), damaged],
  ['a name that does not end', Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3, 0x61, 0x62]), damaged],
  ['an extra field that is cut', Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 1]), damaged],
  ['a block of a reserved type', Buffer.from(headerOf(0).with(10, 0x07)), damaged],
  [
    'a stored block whose length lies',
    after(gzip.subarray(0, 10), Buffer.from([1, 5, 0, 0, 0, 1, 2, 3, 4, 5])),
    damaged,
  ],
  ['a distance beyond the beginning', after(gzip.subarray(0, 10), Buffer.from([0x4b, 0x04, 0x22, 0x00])), damaged],
  ['text behind it', after(gzip, 'garbage'), damaged],
  ['half a magic behind it', after(gzip, Buffer.from([0x1f])), damaged],
  ['a cut second member', after(gzipSync(halves[0]), gzipSync(halves[1]).subarray(0, -9)), damaged],
  ['a second member with a wrong checksum', after(gzipSync(halves[0]), changed(gzipSync(halves[1]), -8)), damaged],
  ['text behind zeros', after(gzip, Buffer.alloc(5), 'garbage'), hidden],
  ['a member behind zeros', after(gzip, Buffer.alloc(512), gzipSync(tar(file('b')))), hidden],
  ['a member behind very many zeros', after(gzip, Buffer.alloc(3 * 1024 ** 2), gzipSync(tar(file('b')))), hidden],
  ['a byte behind zeros', after(gzip, Buffer.alloc(9), 'x'), hidden],
  ['a second archive in a second member', after(gzip, gzipSync(tar(file('b')))), /data after the end of its archive/],
  ['members in the other order', after(gzipSync(halves[1]), gzipSync(halves[0])), /no valid checksum|ends/],
  ['another compression behind it', after(gzip, zstdCompressSync(tar(file('b')))), damaged],
  ['a bomb', gzipSync(Buffer.alloc(100 * 1024 ** 2)), /more than 250 times its size/],
  ['a bomb of members', Buffer.concat(Array(100).fill(gzipSync(Buffer.alloc(1024 ** 2)))), /more than 250 times/],
]).map((one) => ({ ...one, what: `gzip: ${one.what}` }))

const checked = { params: { [constants.ZSTD_c_checksumFlag]: 1 } }
const zstd = zstdCompressSync(plain, checked)
const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
const skippable = (length: number, bytes: Buffer) => {
  const head = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0])
  head.writeUInt32LE(length, 4)
  return after(head, bytes)
}
const frame = (...bytes: readonly number[]) => after(magic, Buffer.from(bytes))
const block = (last: 0 | 1, type: number, size: number, bytes: Buffer) => {
  const head = Buffer.alloc(3)
  head.writeUIntLE(last | (type << 1) | (size << 3), 0, 3)
  return after(head, bytes)
}
/** A header that announces a checksum; blocks that are stored, repeated, and the last. */
const parts = [
  frame(0x04, 8 << 3),
  block(0, 0, 100, Buffer.alloc(100, 'a')),
  block(0, 1, 500, Buffer.from('b')),
  block(1, 0, 50, Buffer.alloc(50, 'c')),
]
const cuts = parts.map((_, at): [string, Buffer, RegExp] => [
  `a cut after ${at === 0 ? 'the header' : `block ${at}`}`,
  after(Buffer.alloc(0), ...parts.slice(0, at + 1)),
  damaged,
])
const huge = Buffer.alloc(8)
huge.writeBigUInt64LE(2n ** 40n)

const zstds = packed([
  ['the magic alone', magic, damaged],
  ['a header alone', zstd.subarray(0, 6), damaged],
  ...cuts,
  ['a cut in a block header', zstd.subarray(0, 8), damaged],
  ['a cut in the middle', zstd.subarray(0, zstd.length >> 1), damaged],
  ['no checksum where one is announced', zstd.subarray(0, -4), damaged],
  ['half a checksum', zstd.subarray(0, -2), damaged],
  ['a wrong checksum', changed(zstd, -1), damaged],
  ['a changed byte', changed(zstd, zstd.length >> 1, 0xff), damaged],
  ['a dictionary', frame(0x01, 0, 7, 0x01, 0, 0), damaged],
  ['a reserved bit', frame(0x08, 0, 0x01, 0, 0), damaged],
  ['a block of a reserved type', frame(0, 0, 0x07, 0, 0), damaged],
  ['a block that is larger than it may be', after(frame(0, 0x50, 0x01, 0, 0x18), Buffer.alloc(0x30000)), damaged],
  ['another size than it announces', after(frame(0x20, 9, (3 << 3) | 1, 0, 0), 'abc'), damaged],
  ['a window of 256 MiB', frame(0, (28 - 10) << 3, 1, 0, 0), /window is larger than 128 MiB/],
  ['a window of 136 MiB', frame(0, ((27 - 10) << 3) | 1, 1, 0, 0), /window is larger than 128 MiB/],
  ['a window of 2^41', frame(0, 0xff, 1, 0, 0), /window is larger than 128 MiB/],
  ['a single segment of 2^40', after(frame(0xe0), huge, Buffer.from([1, 0, 0])), /window is larger than 128 MiB/],
  ['a single segment of 256 MiB', frame(0xa0, 0, 0, 0, 0x10, 1, 0, 0), /window is larger than 128 MiB/],
  ['text behind it', after(zstd, 'garbage'), damaged],
  ['zeros behind it', after(zstd, Buffer.alloc(512)), damaged],
  ['half a magic behind it', after(zstd, magic.subarray(0, 2)), damaged],
  ['a cut second frame', after(zstdCompressSync(halves[0]), zstdCompressSync(halves[1]).subarray(0, -1)), damaged],
  ['a cut skippable frame', after(zstd, skippable(100, Buffer.alloc(99))), damaged],
  ['half the header of a skippable frame', after(zstd, skippable(0, Buffer.alloc(0)).subarray(0, 6)), damaged],
  ['a skippable frame of 4 GiB', after(skippable(0xffffffff, zstd)), damaged],
  ['a skippable frame that hides the layer', skippable(zstd.length, zstd), /it has the digest|unpacked/],
  ['another compression behind it', after(zstd, gzip), damaged],
  [
    'a second archive in a second frame',
    after(zstd, zstdCompressSync(tar(file('b')))),
    /data after the end of its arc/,
  ],
  ['a bomb', zstdCompressSync(Buffer.alloc(100 * 1024 ** 2)), /more than 250 times its size/],
  ['a bomb of frames', Buffer.concat(Array(100).fill(zstdCompressSync(Buffer.alloc(1024 ** 2)))), /than 250 times/],
]).map((one) => ({ ...one, what: `zstd: ${one.what}` }))

const proofs = packed([
  ['another tar than its config says', tar(file('b')), /unpacked it has the digest sha256:\w+, its config says/],
  ['the same tar with another end', after(plain, Buffer.alloc(512)), /unpacked it has the digest/],
  ['another tar in gzip', gzipSync(tar(file('b'))), /unpacked it has the digest/],
  ['another tar in zstd', zstdCompressSync(tar(file('b'))), /unpacked it has the digest/],
  ['nothing at all', Buffer.alloc(0), /unpacked it has the digest/],
])

export const framing = [...gzips, ...zstds, ...proofs]

const frames: readonly (readonly [what: string, layer: Buffer])[] = [
  ['gzip', gzip],
  ['gzip of two members', after(gzipSync(halves[0]), gzipSync(halves[1]))],
  ['gzip with an empty member', after(gzipSync(''), gzip, gzipSync(''))],
  ['gzip with zeros behind it, as tapes have them', after(gzip, Buffer.alloc(9000))],
  ['gzip with 3 MiB of zeros behind it', after(gzip, Buffer.alloc(3 * 1024 ** 2))],
  ['gzip with a name', headerOf(8, 'layer.tar\0')],
  ['gzip with a comment', headerOf(16, 'made by hand\0')],
  ['gzip with an extra field, as eStargz and pigz write it', headerOf(4, Buffer.from([6, 0, 0x53, 0x47, 2, 0, 1, 2]))],
  ['gzip with a text flag', headerOf(1)],
  ['gzip of stored blocks', gzipSync(plain, { level: 0 })],
  ['zstd', zstd],
  ['zstd without a checksum', zstdCompressSync(plain)],
  ['zstd of two frames', after(zstdCompressSync(halves[0]), zstdCompressSync(halves[1], checked))],
  ['zstd with an empty frame', after(zstdCompressSync(''), zstd)],
  [
    'zstd:chunked, which has skippable frames',
    after(
      skippable(9, Buffer.alloc(9)),
      zstdCompressSync(halves[0]),
      zstdCompressSync(halves[1]),
      skippable(0, magic.subarray(0, 0)),
    ),
  ],
  ['no compression', plain],
]

/** What a layer's media type claims of its compression is not believed; the bytes tell. */
export const oddFraming: Legal[] = frames.map(([what, layer]) => ({
  what,
  tree: [`a = ${digestOf(content)}`],
  special: 'refuse',
  write: (folder) => writeImage(folder, image([layer], { diffIds: [digestOf(plain)] })),
}))
