import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { findLocked, formatLock, type LockedName, lockSchema, parseLock } from '../../src/engine/lock-file.ts'
import { parseDigest } from '../../src/model/digest.ts'

const digest = parseDigest(`sha256:${'0'.repeat(64)}`)
const repository = 'registry.example.com/ext/{name}:{version}-pg{major}-{os}'
const entry = (name: string, version: string, more: Partial<LockedName> = {}): LockedName => ({
  ...{ name, repository, postgres: 17, os: 'bookworm', platform: 'linux/amd64', version },
  ...{ reference: `registry.example.com/ext/${name}:${version}-pg17-bookworm`, digest },
  ...more,
})
const target = { major: 17, postgresVersion: '17.6', os: 'bookworm', platform: 'linux/amd64' }
const place = { repository, target, path: 'pgoci.lock.json' }
const lock = parseLock(formatLock({ names: [entry('postgis', '3.5.2')], images: [] }), 'pgoci.lock.json')

test('the same locks are the same text, in whatever order they came', () => {
  const names = [
    entry('a', '1'),
    entry('b', '1'),
    entry('a', '1', { postgres: 18 }),
    entry('a', '1', { platform: 'linux/arm64' }),
  ]
  const images = ['x:1', 'y:1'].map((reference) => ({ reference, platform: 'linux/amd64', digest }))
  const text = formatLock({ names, images })
  fc.assert(
    fc.property(
      fc.shuffledSubarray(names, { minLength: 4 }),
      fc.shuffledSubarray(images, { minLength: 2 }),
      (some, others) => {
        expect(formatLock({ names: some, images: others })).toBe(text)
      },
    ),
  )
  expect(formatLock(parseLock(text, 'x'))).toBe(text)
})

test('of two entries for the same thing the later one counts', () => {
  const text = formatLock({ names: [entry('a', '1'), entry('a', '2')], images: [] })
  expect(parseLock(text, 'x').names).toEqual([entry('a', '2')])
})

test.each([undefined, '3.5', '3.5.2', '3'])('a lock of 3.5.2 is good for who asks for %s', (version) => {
  expect(findLocked(lock, { name: 'postgis', version }, place)?.version).toBe('3.5.2')
})

test('a lock says nothing of other names and other repositories', () => {
  expect(findLocked(lock, { name: 'vector' }, place)).toBeUndefined()
  expect(findLocked(lock, { name: 'postgis' }, { ...place, repository: 'a/{name}:{version}' })).toBeUndefined()
})

test.each([
  [{ version: '3.6' }, target, 'it has 3.5.2, and the program asks for 3.6; run npx pgoci lock'],
  [{ version: 'no version' }, target, 'it has 3.5.2, and the program asks for no version'],
  [
    {},
    { ...target, major: 18 },
    'it has it for Postgres 17, bookworm, linux/amd64, and the distribution is Postgres 18',
  ],
  [{}, { ...target, platform: 'linux/arm64' }, 'and the distribution is Postgres 17, bookworm, linux/arm64; run'],
])('a lock that contradicts the program is an error: %j', (wanted, other, why) => {
  expect(() => findLocked(lock, { name: 'postgis', ...wanted }, { ...place, target: other })).toThrow(why)
})

test.each(['', '[]', '{"version": 2, "names": [], "images": []}', '{"version": 1, "names": [{}], "images": []}'])(
  'what is no lock file is refused: %s',
  (text) => expect(() => parseLock(text, 'pgoci.lock.json')).toThrow('it is no lock file of this version'),
)

test('the schema of pgoci.lock.json is published', async () => {
  const text = `${JSON.stringify(z.toJSONSchema(lockSchema, { io: 'input' }), null, 2)}\n`
  await expect(text).toMatchFileSnapshot('../../docs/schemas/lock.json')
})
