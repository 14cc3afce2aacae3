import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { fuzz } from './fuzz.ts'
import { readers } from './readers.ts'

// `npm run fuzz` does it for longer.
test.each(readers)('$name: damaged samples are read or refused, and nothing else', async (reader) => {
  const seed = randomInt(2 ** 31)
  const { found, refused } = await fuzz(reader, { seed, runs: 100 })
  expect(found?.what, `seed ${seed}, input ${found?.input.toString('base64').slice(0, 5000)}`).toBeUndefined()
  if (reader.throws) expect(refused).toBeGreaterThan(0)
})
