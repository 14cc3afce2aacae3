import { createHash, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { spool } from '../../src/engine/spool.ts'
import { temporaryFolder } from '../support/folder.ts'

const folder = temporaryFolder()

test('whoever reads, whenever, gets all of it, and no file is left', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 2000 }), { maxLength: 8 }), async (chunks) => {
      const source = new PassThrough()
      const kept = await spool(source, { folder })
      const early = buffer(kept.read())
      for (const chunk of chunks) source.write(chunk)
      const middle = buffer(kept.read())
      source.end()
      const all = Buffer.concat(chunks)
      const digest = `sha256:${createHash('sha256').update(all).digest('hex')}`
      expect(await kept.whole).toEqual({ digest, size: all.length })
      for (const read of [early, middle, buffer(kept.read())]) expect((await read).equals(all)).toBe(true)
      kept.close()
      expect(readdirSync(folder)).toEqual([])
    }),
  )
})

test('a reader that stops reading delays neither the source nor the others', async () => {
  const bytes = randomBytes(4 * 1024 * 1024)
  const kept = await spool(Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]), { folder })
  const slow = kept.read()
  await new Promise((resolve) => slow.once('readable', resolve))
  expect((await buffer(kept.read())).equals(bytes)).toBe(true)
  kept.close()
  expect(Buffer.concat(await Array.fromAsync(slow)).equals(bytes)).toBe(true)
})

test('what the source fails with, every reader fails with, those that come later too', async () => {
  const source = new PassThrough()
  const kept = await spool(source, { folder })
  const early = buffer(kept.read())
  source.write('begun')
  source.destroy(new Error('the registry is gone'))
  await expect(early).rejects.toThrow('the registry is gone')
  await expect(buffer(kept.read())).rejects.toThrow('the registry is gone')
  await expect(kept.whole).rejects.toThrow('the registry is gone')
  kept.close()
})

test('a source that fails before its file is open ends no process: who reads is told', async () => {
  const source = new PassThrough()
  const keeping = spool(source, { folder })
  source.destroy(new Error('lost'))
  await expect(buffer((await keeping).read())).rejects.toThrow('lost')
  await expect((await keeping).whole).rejects.toThrow('lost')
})
