import { expect, test } from 'vitest'
import { Budget } from '../../src/layer/budget.ts'
import type { LayerEntry } from '../../src/layer/entry.ts'
import { flatten } from '../../src/layer/flatten.ts'
import { readLayer } from '../../src/layer/read.ts'
import { digestOf } from '../../src/model/digest.ts'
import { ProviderError } from '../../src/model/error.ts'
import { file, stream, tar } from '../support/tar.ts'

const layers = [tar(file('a', '12345')), tar(file('b', '12345'), file('c', '12345'))]

async function readAll(budget: Budget): Promise<void> {
  for (const [at, bytes] of layers.entries())
    await readLayer(stream(bytes), { diffId: digestOf(bytes), special: 'refuse', budget, name: `layer ${at + 1}` })
}

test.each<[string, object]>([
  ['more than 2 entries', { entries: 2, bytes: 15, names: 3, unpacked: 9999 }],
  ['files of more than 14 bytes', { entries: 3, bytes: 14, names: 3, unpacked: 9999 }],
  ['names of more than 2 bytes', { entries: 3, bytes: 15, names: 2, unpacked: 9999 }],
  ['archives of more than 5119 bytes', { entries: 3, bytes: 15, names: 3, unpacked: 5119 }],
])('layers that together hold %s are refused, by the layer that goes too far', async (what, limits) => {
  const error = await readAll(new Budget(limits as never)).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ProviderError)
  expect((error as ProviderError).message).toBe(
    `Cannot use layer 2: up to it, the image holds ${what}; build a smaller image, with Postgres and little else`,
  )
})

test('layers that are just within the limits are taken', async () => {
  await readAll(new Budget({ entries: 3, bytes: 15, names: 3, unpacked: 5120 }))
})

test('few entries that imply very many directories are refused', () => {
  const entries = Array.from(
    { length: 1300 },
    (_, at): LayerEntry => ({ kind: 'directory', path: `${at}${'/d'.repeat(250)}` }),
  )
  expect(() => flatten([entries])).toThrow('it has more than 300000 directories that no entry names')
})

test('a layer with another digest than its config says is refused', async () => {
  const bytes = tar(file('a', '1'))
  const other = digestOf('other')
  await expect(readLayer(stream(bytes), { diffId: other, special: 'refuse', name: 'layer 1 of x' })).rejects.toThrow(
    `Cannot use layer 1 of x: unpacked it has the digest ${digestOf(bytes)}, its config says ${other}; the image is damaged or forged, push it again`,
  )
})

test('reading a layer ends when it is aborted, and its source is destroyed', async () => {
  const abort = new AbortController()
  const bytes = tar(...Array.from({ length: 50 }, (_, at) => file(String(at), 'x'.repeat(5000))))
  const source = stream(bytes, 512)
  const closed = new Promise((resolve) => source.once('close', resolve))
  const reading = readLayer(source, { diffId: digestOf(bytes), special: 'refuse', signal: abort.signal })
  abort.abort(new ProviderError('ABORTED', 'Stopped'))
  await expect(reading).rejects.toThrow('Stopped')
  await closed
})
