import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { temporaryFolder } from '../support/folder.ts'
import { image } from '../support/layout.ts'
import { describeTree } from '../support/tar.ts'
import { archives } from './archives.ts'
import { documents } from './documents.ts'
import { framing, oddFraming } from './framing.ts'
import { indexes } from './indexes.ts'
import { layouts } from './layouts.ts'
import { legal as legalLayers } from './legal.ts'
import { links } from './links.ts'
import { names } from './names.ts'
import { below, type Hostile, type Kind, type Legal, writeImage } from './shape.ts'
import { specials } from './specials.ts'
import { newCache, recorder, treesOf, up } from './up.ts'
import { whiteouts } from './whiteouts.ts'

const folder = temporaryFolder()
const groups: Readonly<Record<string, readonly Hostile[]>> = {
  names,
  links,
  specials,
  whiteouts,
  archives,
  framing,
  documents,
  indexes,
  layouts,
}
let refused = 0
let taken = 0
const legal: Readonly<Record<string, readonly Legal[]>> = { ...legalLayers, framing: oddFraming }
let exact = 0
let wrong = 0

afterAll(() => {
  process.stdout.write(
    `hostile: ${refused} refused, ${taken} taken; odd but legal: ${exact} give the wanted tree, ${wrong} another\n`,
  )
})

async function refusalOf(layout: string, kind: Kind, cache: string): Promise<ProviderError> {
  const { transport, heard } = recorder()
  const error = await up(`oci:${layout}:root`, { kind, transport, cache }).catch((thrown: unknown) => thrown)
  if (heard.length > 0) taken += 1
  expect(heard).toEqual([])
  expect(error).toBeInstanceOf(ProviderError)
  return error as ProviderError
}

for (const [group, shapes] of Object.entries(groups)) {
  test.concurrent.each(shapes)(
    `${group}: $what is refused before a host hears of it`,
    async ({ write, kinds, says }) => {
      for (const kind of kinds) {
        const layout = mkdtempSync(join(folder, 'layout-'))
        write(layout, kind)
        const cache = newCache()
        const { message } = await refusalOf(layout, kind, cache)
        expect(message).toMatch(says)
        // What could not be done, to what; what was found; what to do. On one line, with nothing of theirs unescaped.
        expect(message).toMatch(/^Cannot [ -~]*: [^\p{Cc}\p{Cf}]*; [a-z][^\p{Cc}\p{Cf}]*$/u)
        // A refusal is not forgotten: nothing of it was kept as proven.
        if (kind === kinds[0]) expect((await refusalOf(layout, kind, cache)).message).toBe(message)
      }
      refused += 1
    },
  )
}

for (const [group, shapes] of Object.entries(legal)) {
  test.concurrent.each(shapes)(`${group}: $what gives exactly the wanted tree`, async ({ write, special, tree }) => {
    const layout = mkdtempSync(join(folder, 'layout-'))
    write(layout)
    wrong += 1
    for (const found of await treesOf(`oci:${layout}:root`, special))
      expect(describeTree(found)).toEqual([...tree].sort())
    wrong -= 1
    exact += 1
  })
}

test.each<Kind>(['extension', 'distribution'])('without a hostile shape, a host does hear of the %s', async (kind) => {
  const layout = mkdtempSync(join(folder, 'layout-'))
  writeImage(layout, image([below[kind]]))
  const { transport, heard } = recorder()
  await expect(up(`oci:${layout}:root`, { kind, transport })).rejects.toThrow('the host was asked')
  expect(heard).toHaveLength(1)
})

test('there are at least 300 hostile shapes, each with a name of its own', () => {
  const all = Object.entries(groups).flatMap(([group, shapes]) => shapes.map(({ what }) => `${group}: ${what}`))
  expect(new Set(all).size).toBe(all.length)
  expect(all.length).toBeGreaterThanOrEqual(300)
})
