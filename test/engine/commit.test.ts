import { expect, test } from 'vitest'
import { groupCommit } from '../../src/engine/commit.ts'
import type { Change } from '../../src/engine/declare.ts'
import { ProviderError } from '../../src/model/error.ts'

const wish = (name: string): Change => ({ do: 'delete', name, token: name })
const names = (changes: readonly Change[]) => changes.map((change) => (change.do === 'delete' ? change.name : ''))

test('what comes before the checks have ended, and while a commit runs, goes into the next one', async () => {
  const batches: string[][] = []
  let checksEnded = () => {}
  const ended = new Promise<void>((resolve) => {
    checksEnded = resolve
  })
  const later: Promise<void>[] = []
  const commit = groupCommit(
    async (changes) => {
      batches.push(names(changes))
      if (batches.length === 1) later.push(commit(wish('d')), commit(wish('e')))
    },
    { ready: () => ended },
  )
  const all = ['a', 'b', 'c'].map((name) => commit(wish(name)))
  checksEnded()
  await Promise.all(all)
  await Promise.all(later)
  expect(batches).toEqual([
    ['a', 'b', 'c'],
    ['d', 'e'],
  ])
})

test('a bad change fails alone', async () => {
  const commit = groupCommit(
    async (changes) => {
      if (names(changes).includes('bad')) throw new ProviderError('CONFLICT', 'bad')
    },
    { ready: async () => {} },
  )
  const results = await Promise.allSettled(['a', 'bad', 'c'].map((name) => commit(wish(name))))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})

test('a host that does not answer is asked once for all changes', async () => {
  let commits = 0
  const commit = groupCommit(
    async () => {
      commits += 1
      throw new ProviderError('HOST_UNREACHABLE', 'gone')
    },
    { ready: async () => {} },
  )
  const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => commit(wish(name))))
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(commits).toBe(1)
  await expect(commit(wish('d'))).rejects.toThrow('gone')
})
