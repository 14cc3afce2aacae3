import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { decompress } from '../../src/archive/decompress.ts'
import { testWith } from '../support/needs.ts'
import { stream } from '../support/tar.ts'

async function unpacked(bytes: Buffer, piece?: number): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(decompress(stream(bytes, piece)) as AsyncIterable<Buffer>))
}

/** Runs a stream to its end without keeping it. */
async function drained(input: Readable): Promise<number> {
  let size = 0
  for await (const chunk of decompress(input) as AsyncIterable<Buffer>) size += chunk.length
  return size
}

const text = Buffer.concat([randomBytes(70_000), Buffer.alloc(300_000, 'postgres ')])
const skippable = (bytes: Buffer, kind = 0) => {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(0x184d2a50 + kind, 0)
  head.writeUInt32LE(bytes.length, 4)
  return Buffer.concat([head, bytes])
}
const half = text.length >> 1
const checked = { params: { [constants.ZSTD_c_checksumFlag]: 1 } }

test.each<[string, Buffer]>([
  ['nothing', text],
  ['gzip', gzipSync(text)],
  ['gzip of two members', Buffer.concat([gzipSync(text.subarray(0, half)), gzipSync(text.subarray(half))])],
  ['gzip with zeros behind it', Buffer.concat([gzipSync(text), Buffer.alloc(700)])],
  ['zstd', zstdCompressSync(text)],
  ['zstd with a checksum', zstdCompressSync(text, checked)],
  [
    'zstd of two frames',
    Buffer.concat([zstdCompressSync(text.subarray(0, half)), zstdCompressSync(text.subarray(half))]),
  ],
  [
    'zstd:chunked, skippable frames before, between and after',
    Buffer.concat([
      skippable(text.subarray(0, 300)),
      zstdCompressSync(text.subarray(0, half), checked),
      skippable(Buffer.alloc(0), 15),
      zstdCompressSync(text.subarray(half)),
      skippable(text),
    ]),
  ],
  ['zstd with an empty frame', Buffer.concat([zstdCompressSync(Buffer.alloc(0)), zstdCompressSync(text)])],
])('%s is undone, however the bytes come', async (_, bytes) => {
  for (const piece of [1021, 65_536, bytes.length]) expect((await unpacked(bytes, piece)).equals(text)).toBe(true)
})

test('two gzip members are one stream wherever the first ends in a chunk', async () => {
  const first = gzipSync('first ')
  const both = Buffer.concat([first, gzipSync('second')])
  for (let piece = 1; piece <= both.length; piece += 1) expect(String(await unpacked(both, piece))).toBe('first second')
})

test.each<[string, Buffer, RegExp]>([
  ['gzip that ends early', gzipSync(text).subarray(0, -9), /damaged or ends early \(unexpected end of file\)/],
  ['gzip with a wrong checksum', flipped(gzipSync(text), -6), /incorrect data check/],
  [
    'gzip of which a second member is cut',
    Buffer.concat([gzipSync(text), gzipSync(text).subarray(0, 20)]),
    /damaged or ends early/,
  ],
  ['gzip with text behind it', Buffer.concat([gzipSync(text), Buffer.from('garbage')]), /damaged or ends early/],
  ['zstd that ends early', zstdCompressSync(text).subarray(0, -1), /zstd data is damaged or ends early/],
  [
    'zstd of which the second frame is cut',
    Buffer.concat([zstdCompressSync(text), zstdCompressSync(text).subarray(0, 9)]),
    /zstd data is damaged or ends early/,
  ],
  ['zstd with a wrong checksum', flipped(zstdCompressSync(text, checked), -1), /damaged/],
  ['zstd with text behind it', Buffer.concat([zstdCompressSync(text), Buffer.from('garbage')]), /zstd data is damaged/],
  ['a skippable frame that ends early', skippable(text).subarray(0, 100), /zstd data is damaged/],
  [
    'zstd with a window of 256 MiB',
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (28 - 10) << 3, 1, 0, 0]),
    /window is larger than 128 MiB/,
  ],
])('%s is refused', async (_, bytes, says) => {
  await expect(unpacked(bytes)).rejects.toThrow(says)
})

test.each<[string, () => Buffer]>([
  ['zstd', () => zstdCompressSync(Buffer.alloc(100 * 1024 ** 2))],
  ['gzip', () => gzipSync(Buffer.alloc(100 * 1024 ** 2))],
])('a bomb of %s is given up', async (_, make) => {
  await expect(drained(Readable.from([make()]))).rejects.toThrow('unpacks to more than 250 times its size')
})

test('a bomb is given up before all of it is unpacked', async () => {
  const bomb = decompress(Readable.from([zstdCompressSync(Buffer.alloc(1024 ** 3))]))
  let size = 0
  await expect(
    (async () => {
      for await (const chunk of bomb as AsyncIterable<Buffer>) size += chunk.length
    })(),
  ).rejects.toThrow('250 times')
  expect(size).toBeLessThan(70 * 1024 ** 2)
})

test('an error of the source is its own, not one of the compression', async () => {
  const broken = Readable.from(
    (async function* () {
      yield gzipSync(text).subarray(0, 5000)
      throw new Error('the disk is gone')
    })(),
  )
  await expect(drained(broken)).rejects.toThrow('the disk is gone')
})

test.each([gzipSync(text), zstdCompressSync(text), text])(
  'destroying the output destroys the source',
  async (bytes) => {
    for (const read of [false, true]) {
      const source = stream(bytes, 1000)
      const closed = new Promise((resolve) => source.once('close', resolve))
      const output = decompress(source)
      if (read) for await (const _ of output) break
      output.destroy()
      await closed
    }
  },
)

testWith('zstd')('what the zstd program writes is read, with long windows and several threads', async () => {
  for (const words of [['-19'], ['--long=27'], ['-T2', '--rsyncable'], ['--no-check', '-1']]) {
    const made = spawnSync('zstd', ['-q', '-c', ...words], { input: text, maxBuffer: 1024 ** 3 })
    expect((await unpacked(made.stdout)).equals(text)).toBe(true)
  }
})

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  const place = copy.length + at
  copy[place] = (copy[place] as number) ^ 1
  return copy
}
