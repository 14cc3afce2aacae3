import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { fuzz } from './fuzz.ts'
import { readers } from './readers.ts'

let refused = 0

// `npm run fuzz` does it for longer.
test.each(readers)('$name: damaged samples are read or refused, and nothing else', async (reader) => {
  const seed = randomInt(2 ** 31)
  const { found, ...counts } = await fuzz(reader, { seed, runs: 100 })
  expect(found?.what, `seed ${seed}, input ${found?.input.toString('base64').slice(0, 5000)}`).toBeUndefined()
  expect(counts.inputs).toBe(100)
  refused += counts.refused
})

test('a good part of it was damaged enough to be refused', () => {
  expect(refused).toBeGreaterThan(readers.length * 25)
})
