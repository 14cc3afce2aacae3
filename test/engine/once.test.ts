import { expect, test } from 'vitest'
import { onceFor } from '../../src/engine/once.ts'

test('a value is made once for each object and key; what fails is made again', async () => {
  const once = onceFor<object>()
  const [one, other] = [{}, {}]
  let made = 0
  const make = () => {
    made += 1
    return made
  }
  expect([once(one, 'a', make), once(one, 'a', make), once(one, 'b', make), once(other, 'a', make)]).toEqual([
    1, 1, 2, 3,
  ])
  const attempts = [Promise.reject(new Error('first')), Promise.resolve('second')]
  const attempt = () => attempts.shift() as Promise<string>
  await expect(once(one, 'c', attempt)).rejects.toThrow('first')
  expect(await once(one, 'c', attempt)).toBe('second')
  expect(await once(one, 'c', attempt)).toBe('second')
  const fail = () => {
    throw new Error('at once')
  }
  expect(() => once(one, 'd', fail)).toThrow('at once')
  expect(once(one, 'd', make)).toBe(4)
})
