import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { decompress } from '../../src/archive/decompress.ts'
import { type Member, packTar } from '../../src/archive/pack.ts'
import { layerContents } from '../../src/layer/contents.ts'
import { type Digest, digestOf } from '../../src/model/digest.ts'
import { directory, file, header, link, stream, tar } from '../support/tar.ts'

const archive = tar(
  directory('d'),
  file('./d/a', 'aaa'),
  file('b', 'b'.repeat(5000)),
  link('l', 'b'),
  file('/c', 'ccc'),
)
const wanted = (names: Readonly<Record<string, string>>) =>
  new Map(Object.entries(names).map(([path, content]) => [path, digestOf(content)]))

async function contents(bytes: Buffer, names: ReadonlyMap<string, Digest>): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const { path, content } of layerContents(stream(bytes), names))
    found[path] = Buffer.concat(await Array.fromAsync(content)).toString()
  return found
}

test('wanted files come with their content, and others do not', async () => {
  expect(await contents(archive, wanted({ 'd/a': 'aaa', c: 'ccc' }))).toEqual({ 'd/a': 'aaa', c: 'ccc' })
})

test('a content that nobody reads to its end is passed over', async () => {
  const sizes: number[] = []
  for await (const { size, content } of layerContents(stream(archive), wanted({ b: 'b'.repeat(5000), c: 'ccc' }))) {
    sizes.push(size)
    for await (const _ of content) break
  }
  expect(sizes).toEqual([5000, 3])
})

test('a content that is another one since it was proven is an error at its end', async () => {
  await expect(contents(archive, wanted({ c: 'other' }))).rejects.toThrow(/it was proven and is another one now/)
})

test('a file that is gone since it was proven is an error', async () => {
  await expect(contents(archive, wanted({ c: 'ccc', gone: '' }))).rejects.toThrow('1 of its files are gone')
})

test('after the last wanted file nothing more is read', async () => {
  const broken = Buffer.concat([file('a', 'aaa'), Buffer.alloc(2048, 'no tar')])
  expect(await contents(broken, wanted({ a: 'aaa' }))).toEqual({ a: 'aaa' })
})

test('the source is destroyed, also when nothing is wanted and when the reader stops', async () => {
  for (const names of [wanted({}), wanted({ b: 'b'.repeat(5000) })]) {
    const source = stream(archive, 100)
    const closed = new Promise((resolve) => source.once('close', resolve))
    for await (const _ of layerContents(decompress(source), names)) break
    await closed
  }
})

test('a file of 2 GiB waits for who reads it: the source is never more than 4 MiB ahead', async () => {
  const size = 2 * 1024 ** 3
  const chunk = Buffer.alloc(1024 ** 2)
  let made = 0
  const source = Readable.from(
    (function* () {
      yield header({ name: 'big', size })
      for (; made < size; made += chunk.length) yield chunk
      yield Buffer.alloc(1024)
    })(),
    { objectMode: false, highWaterMark: chunk.length },
  )
  const any = digestOf('any')
  async function* members(): AsyncIterable<Member> {
    for await (const { path, size: announced, content } of layerContents(decompress(source), new Map([['big', any]])))
      yield { kind: 'file', path, size: announced, executable: false, content }
  }
  let read = 0
  // From the blob to the stream that a host gets, as in an `up`; 64 MiB of it tell.
  for await (const bytes of packTar(members()) as AsyncIterable<Buffer>) {
    read += bytes.length
    expect(made - read).toBeLessThan(4 * 1024 ** 2)
    if (read > 64 * 1024 ** 2) break
  }
  expect(made).toBeGreaterThan(read / 2)
})
