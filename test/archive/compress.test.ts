import { once } from 'node:events'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { compress } from '../../src/archive/compress.ts'

const endless = () =>
  Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(4096, 7)
    })(),
  )

test('what is compressed can be decompressed', async () => {
  const bytes = Buffer.alloc(1_000_000, 'Postgres ')
  expect(zstdDecompressSync(await buffer(compress(Readable.from([bytes])))).equals(bytes)).toBe(true)
})

test('a host that stops reading leaves no file open: the input is destroyed with the output', async () => {
  const input = endless()
  const output = compress(input)
  await once(output, 'readable')
  output.destroy()
  await once(input, 'close')
  expect(input.destroyed).toBe(true)
})

test('an input that fails fails the output with its own error', async () => {
  const output = compress(
    Readable.from(
      (function* () {
        yield Buffer.alloc(10)
        throw new Error('the layer is damaged')
      })(),
    ),
  )
  await expect(buffer(output)).rejects.toThrow('the layer is damaged')
})
