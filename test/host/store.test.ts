import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  checkObjects,
  completeState,
  hosts,
  hostTransport,
  imageOf,
  install,
  stagingOf,
  targetAt,
  temporaryFolder,
} from '../support/store.ts'

const distribution = imageOf(
  {
    'root/bin/postgres*': 'server',
    'root/share/empty': '',
    'root/a link': { to: 'bin/postgres' },
    'live/lib/plain.so*': 'plain',
  },
  { distribution: true },
)
const vector1 = imageOf(
  { 'live/lib/vector.so*': 'one', 'live/share/extension/vector.control': 'c1' },
  { distribution: false },
)
const vector2 = imageOf(
  { 'live/lib/vector.so*': 'two', 'live/share/extension/vector.control': 'c1' },
  { distribution: false },
)

describe.each(hosts)('$name', (host) => {
  test('installs, upgrades and goes back', async () => {
    const root = join(temporaryFolder(), 'store')
    const target = targetAt(root, hostTransport(host))
    await install(target, { distribution, vector: vector1 })
    const first = completeState(root)
    await install(target, { distribution, vector: vector2 })
    const second = completeState(root)
    expect(second?.root).toBe(first?.root)
    expect(second?.live).not.toBe(first?.live)
    const before = vector1.reads
    await install(target, { distribution, vector: vector1 })
    expect(completeState(root)).toEqual({ ...first, generation: 3 })
    expect(vector1.reads).toBe(before)
    expect(stagingOf(root)).toEqual([])
    expect(checkObjects(root)).toBe(5)
  })
})
