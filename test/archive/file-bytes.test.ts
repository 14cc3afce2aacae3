import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteReader } from '../../src/archive/bytes.ts'
import { fileBytes } from '../../src/archive/file-bytes.ts'
import { readArchive } from '../../src/archive/read.ts'
import { temporaryFolder } from '../support/folder.ts'
import { file, tar } from '../support/tar.ts'

const path = join(temporaryFolder(), 'file')

async function withReader<T>(bytes: Buffer, chunk: number, use: (reader: ByteReader) => Promise<T>): Promise<T> {
  await writeFile(path, bytes)
  const handle = await open(path)
  try {
    return await use(new ByteReader(fileBytes(handle, bytes.length, { chunk })))
  } finally {
    await handle.close()
  }
}

test('taking and passing over in any order, by any chunk, gives the bytes that are there', async () => {
  const bytes = Buffer.from(Array.from({ length: 997 }, (_, at) => at % 251))
  const step = fc.record({
    do: fc.constantFrom('take', 'skip', 'some', 'peek'),
    count: fc.integer({ min: 1, max: 300 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.integer({ min: 1, max: 200 }), (steps, chunk) =>
      withReader(bytes, chunk, async (reader) => {
        for (const { do: verb, count } of steps) {
          const at = reader.position
          const left = bytes.length - at
          if (verb === 'skip') expect(await reader.skip(count)).toBe(Math.min(count, left))
          else if (verb === 'peek') expect(await reader.peek(count)).toEqual(bytes.subarray(at, at + count))
          else {
            const found = (await (verb === 'take' ? reader.take(count) : reader.some(count))) ?? Buffer.alloc(0)
            expect(found).toEqual(bytes.subarray(at, at + found.length))
            expect(found.length).toBeGreaterThan(left === 0 ? -1 : 0)
          }
        }
      }),
    ),
    { numRuns: 300 },
  )
})

test('members say where they lie, and what nobody reads of them is not read', async () => {
  const contents = [700, 0, 512, 40_000, 1].map((size, at) => Buffer.alloc(size, at + 1))
  const bytes = tar(...contents.map((content, at) => file(`f${at}`, content)))
  await writeFile(path, bytes)
  const handle = await open(path)
  let read = 0
  const counted = fileBytes(handle, bytes.length, { chunk: 600 })
  const input = {
    skip: counted.skip,
    async *[Symbol.asyncIterator]() {
      for await (const chunk of counted) {
        read += chunk.length
        yield chunk
      }
    },
  }
  const places: Buffer[] = []
  for await (const { offset, size } of readArchive(input, 'x')) places.push(bytes.subarray(offset, offset + size))
  await handle.close()
  expect(places).toEqual(contents)
  expect(read).toBeLessThan(bytes.length - 39_000)
})
