import { expect, test } from 'vitest'
import { type Change, type Declared, declare } from '../../src/engine/declare.ts'
import { distributionName, type Member } from '../../src/engine/record.ts'
import { digestOf } from '../../src/model/digest.ts'

const member = (name: string, build: string): Member => ({
  ...{ name, token: name, stack: 'shop/prod', reference: build, image: build, platform: 'linux/amd64', major: 18 },
  digest: digestOf(build),
  treeDigest: digestOf(`tree of ${build}`),
})
const put = (one: Member): Change => ({ do: 'reuse', member: one, layout: undefined })
const remove = (name: string): Change => ({ do: 'delete', name, token: name })
const [pg1, pg2] = [member(distributionName, 'pg-1'), member(distributionName, 'pg-2')]
const [vector1, vector2] = [member('vector', 'vector-1'), member('vector', 'vector-2')]
const cube = member('cube', 'cube')
const mark = { to: 4, who: 'ana@laptop', when: 'now' }
/** Generation 4 had Postgres and vector in their first builds, and cube, which nobody declares any more. */
const rolledBack: Declared = { members: [pg1, cube, vector1], rolledBack: { ...mark, declared: [pg2, vector2] } }
const after = (before: Declared, ...changes: Change[]) => declare(before, changes, 'here')

test('an instance that was rolled back stays so, but for what is put', () => {
  expect(after(rolledBack, put(vector2))).toEqual({ ...rolledBack, members: [pg1, cube, vector2] })
})

test('a wish that is new is declared, too, and the mark stays', () => {
  const next = member('seg', 'seg')
  expect(after(rolledBack, put(next))).toEqual({
    members: [pg1, cube, next, vector1],
    rolledBack: { ...mark, declared: [pg2, next, vector2] },
  })
})

test('when all is again as declared, the mark goes, and what only the older generation had', () => {
  expect(after(rolledBack, put(pg2), put(vector2))).toEqual({ members: [pg2, vector2] })
  expect(after(after(rolledBack, put(vector2)), put(pg2))).toEqual({ members: [pg2, vector2] })
})

test('declaring what was gone back to makes it what is declared', () => {
  const [first, second] = [put(pg1), put(vector1)]
  expect(after(rolledBack, first, second)).toEqual({ members: [pg1, vector1] })
})

test('destroying all of an instance that was rolled back leaves nothing of the older generation', () => {
  expect(after(rolledBack, remove('vector'), remove(distributionName))).toEqual({ members: [] })
})
