import { buffer } from 'node:stream/consumers'
import { zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readArchive } from '../../src/archive/read.ts'
import { type Objects, packing, packObjects } from '../../src/engine/pack.ts'
import { type Digest, digestOf, hexOf } from '../../src/model/digest.ts'
import { temporaryFolder } from '../support/folder.ts'
import { stream } from '../support/tar.ts'

const texts = ['first', 'second']
const nameOf = (digest: Digest) => `${hexOf(digest).slice(0, 2)}/${hexOf(digest)}`
const objects: Objects = new Map(texts.map((text) => [digestOf(text), new Set([nameOf(digestOf(text))])]))

type OmitFirst = Parameters<typeof packObjects> extends [unknown, ...infer Rest] ? Rest : never

function image(content = texts) {
  let reads = 0
  return {
    reads: () => reads,
    contents: async function* () {
      reads += 1
      for (const text of content) {
        const bytes = Buffer.from(text)
        yield {
          digest: digestOf(text),
          size: bytes.length,
          content: (async function* () {
            yield bytes
          })(),
        }
      }
    },
  }
}

async function unpacked(bytes: Buffer): Promise<Record<string, string>> {
  const files: [string, string][] = []
  for await (const { kind, path, body } of readArchive(stream(bytes), 'pack'))
    if (kind === 'file') files.push([path, Buffer.concat(await Array.fromAsync(body)).toString()])
  return Object.fromEntries(files)
}

test('hosts that lack the same objects share one pack, which is made once; other objects make another one', async () => {
  const packs = packing(temporaryFolder())
  const pack = (...words: OmitFirst) => packObjects(packs, ...words)
  const { contents, reads } = image()
  const [one, other] = [1, 2].map(() => pack(objects, { compression: 'zstd', contents }))
  const bytes = await Promise.all([one, other].map((each) => buffer(each?.read() as NodeJS.ReadableStream)))
  expect(reads()).toBe(1)
  expect(bytes[0]).toEqual(bytes[1])
  expect(await unpacked(zstdDecompressSync(bytes[0] as Buffer))).toEqual(
    Object.fromEntries(texts.map((text) => [`staging/next/objects/${nameOf(digestOf(text))}`, text])),
  )
  expect(await one?.whole()).toEqual({ digest: digestOf(bytes[0] as Buffer), size: bytes[0]?.length })
  const fewer = pack(new Map([...objects].slice(0, 1)), { compression: 'zstd', ...image(['first']) })
  expect(fewer.key).not.toBe(one?.key)
  const plain = pack(objects, { compression: 'cat', ...image() })
  expect(plain.key).toBe(one?.key)
  expect(Object.values(await unpacked(await buffer(plain.read())))).toEqual(texts)
})

test('a pack that failed is made again by the next who wants it, and one that lacks a content fails', async () => {
  const packs = packing(temporaryFolder())
  const pack = (...words: OmitFirst) => packObjects(packs, ...words)
  const lacking = pack(objects, { compression: 'cat', ...image(['first']) })
  await expect(buffer(lacking.read())).rejects.toMatchObject({ code: 'BAD_IMAGE' })
  const good = pack(objects, { compression: 'cat', ...image() })
  expect(Object.values(await unpacked(await buffer(good.read())))).toEqual(texts)
})

test('Bug: a pack waits for its reader, however many others are made before', async () => {
  const packs = packing(temporaryFolder())
  const waiting = packObjects(packs, objects, { compression: 'cat', ...image() })
  await waiting.whole()
  for (let count = 0; count < 70; count += 1) {
    const text = String(count)
    const own: Objects = new Map([[digestOf(text), new Set([nameOf(digestOf(text))])]])
    await packObjects(packs, own, { compression: 'cat', ...image([text]) }).whole()
  }
  for (let again = 0; again < 2; again += 1)
    expect(Object.values(await unpacked(await buffer(waiting.read())))).toEqual(texts)
})
