import { expect, test } from 'vitest'
import type { FlatImage } from '../../src/engine/image.ts'
import { placeMember } from '../../src/engine/member.ts'
import { digestOf } from '../../src/model/digest.ts'
import type { Entry } from '../../src/model/tree.ts'

const digest = digestOf('image')
const image = { platform: 'linux/amd64', layers: [] as const }

function place(content: string, count: number) {
  const flat = { pinned: `example.org/a@${digest}`, image, tree: new Map() } as unknown as FlatImage
  const file: Entry = { kind: 'file', digest: digestOf(content), size: content.length, executable: false }
  const files = Array.from({ length: count }, (_, at): [string, Entry] => [`root/${at}`, file])
  return placeMember(flat, { how: '', place: () => new Map(files) }, { digest, major: 18 })
}

test('placeMember() refuses the same content more often than a file system can link it', () => {
  expect(place('x', 50_000).tree.size).toBe(50_001)
  expect(() => place('x', 50_001)).toThrow(
    /^Cannot use example\.org\/a@sha256:\w+: more than 50000 of its files have the same content/,
  )
  // Empty files are never linked.
  expect(place('', 60_000).tree.size).toBe(60_001)
})
