import { expect, test } from 'vitest'
import { memory } from '../../src/engine/memory.ts'

test('a value is made once for all who ask, at once or later', async () => {
  let made = 0
  const remember = memory<number>(10, () => 1)
  const make = async () => {
    made += 1
    return made
  }
  expect(await Promise.all([remember('a', make, undefined), remember('a', make, undefined)])).toEqual([1, 1])
  expect(await remember('a', make, undefined)).toBe(1)
})

test('what was used longest ago is forgotten when all of it weighs too much; the last one never is', async () => {
  const remember = memory<string>(5, (text) => text.length)
  const makes: string[] = []
  const ask = (text: string) =>
    remember(
      text,
      async () => {
        makes.push(text)
        return text
      },
      undefined,
    )
  for (const text of ['aa', 'bb', 'aa', 'ccc', 'aa', 'bb', 'much too long', 'much too long', 'ccc']) await ask(text)
  expect(makes).toEqual(['aa', 'bb', 'ccc', 'bb', 'much too long', 'ccc'])
})

test('what failed is tried again by the next who asks', async () => {
  const remember = memory<string>(5, () => 1)
  const failing = remember('a', () => Promise.reject(new Error('down')), undefined)
  await expect(failing).rejects.toThrow('down')
  expect(await remember('a', async () => 'up', undefined)).toBe('up')
})
