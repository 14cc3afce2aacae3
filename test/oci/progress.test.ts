import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { downloadProgress } from '../../src/oci/progress.ts'

const image = 'ghcr.io/acme/postgres'
let said: string[]
beforeEach(() => {
  said = []
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => void vi.useRealTimers())
const progress = () => downloadProgress((line) => said.push(line))
const seconds = (count: number) => vi.advanceTimersByTime(count * 1000)

test('a quick download passes in silence', () => {
  const one = progress()(image, 50e6)
  seconds(4)
  one.came(50e6)
  one.close()
  seconds(60)
  expect(said).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})

test('a long one is told of after 5 s, then every 10, and at its end, for all blobs of the image together', () => {
  const begin = progress()
  const [large, small] = [begin(image, 300e6), begin(image, 38e6)]
  large.came(100e6)
  small.came(15e6)
  seconds(5)
  expect(said).toEqual(['Downloading ghcr.io/acme/postgres: 34 % of 338 MB, 23 MB/s'])
  small.came(23e6)
  small.close()
  seconds(9)
  expect(said.length).toBe(1)
  large.came(50e6)
  seconds(1)
  expect(said.slice(1)).toEqual(['Downloading ghcr.io/acme/postgres: 55 % of 338 MB, 7.3 MB/s'])
  seconds(3)
  large.came(150e6)
  large.close()
  expect(said.slice(2)).toEqual(['Downloaded ghcr.io/acme/postgres: 338 MB in 18 s, 19 MB/s'])
  expect(vi.getTimerCount()).toBe(0)
})

test('each image has lines of its own, and begins anew after its end', () => {
  const begin = progress()
  const [one, other] = [begin('a', 10e6), begin('b', 2.5e6)]
  one.came(5e6)
  seconds(5)
  expect(said).toEqual([
    'Downloading a: 50 % of 10 MB, 1.0 MB/s',
    'Downloading b: still waiting for the first of 2.5 MB',
  ])
  for (const each of [one, other]) {
    each.done()
    each.close()
  }
  expect(said.slice(2)).toEqual(['Downloaded a: 10 MB in 5 s, 2.0 MB/s', 'Downloaded b: 2.5 MB in 5 s, 0.5 MB/s'])
  begin('a', 7e6).came(6.9999e6)
  seconds(5)
  expect(said.slice(4)).toEqual(['Downloading a: 99 % of 7.0 MB, 1.4 MB/s'])
})

test('bytes of a mirror that lied are taken back, and a download that failed says no end', () => {
  const one = progress()(image, 10e6)
  one.came(8e6)
  seconds(5)
  one.came(-8e6)
  one.came(1e6)
  seconds(10)
  one.close()
  expect(said).toEqual([
    'Downloading ghcr.io/acme/postgres: 80 % of 10 MB, 1.6 MB/s',
    'Downloading ghcr.io/acme/postgres: 10 % of 10 MB, 0.0 MB/s',
  ])
})
