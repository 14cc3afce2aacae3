import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { blobsOf, image, writeLayoutOf } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { describeFolder } from '../support/rootfs.ts'
import { insideStacks, movedTo, type Step, stacks, withoutRefused } from '../support/stacks.ts'
import { describeTree, directory, file, hardlink, link, tar, treeOf } from '../support/tar.ts'

function memberOf(step: Step): Buffer {
  const parent = step.path.includes('/') ? `${step.path.slice(0, step.path.lastIndexOf('/'))}/` : ''
  switch (step.do) {
    case 'file':
      return file(step.path, step.content, step.executable ? 0o755 : 0o644)
    case 'directory':
      return directory(step.path)
    case 'link':
      return link(step.path, step.target)
    case 'hardlink':
      return hardlink(step.path, step.target)
    case 'whiteout':
      return file(`${parent}.wh.${step.path.slice(parent.length)}`)
    case 'opaque':
      return file(`${step.path}/.wh..wh..opq`)
  }
}

// umoci syncs what it writes, which a busy disk makes slow.
const temporary = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

function unpack(layers: readonly Buffer[]): string[] | string {
  const folder = mkdtempSync(join(temporary, 'pgoci-umoci-'))
  try {
    const made = image(layers.map((layer, at) => (at % 2 === 0 ? gzipSync(layer) : layer)))
    writeLayoutOf(join(folder, 'layout'), { one: made.manifest }, blobsOf(made))
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless']
    const words = ['raw', 'unpack', ...rootless, '--image', `${folder}/layout:one`, `${folder}/out`]
    const { status, stderr } = spawnSync('umoci', words, { encoding: 'utf8' })
    return status === 0 ? describeFolder(join(folder, 'out')) : stderr
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const runs = Number(process.env['PGOCI_RUNS'] ?? 3500)
const seed = Number(process.env['PGOCI_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const archivesOf = (stack: readonly Step[][]) => stack.map((steps) => tar(...steps.map(memberOf)))
// Whiteouts below links in a circle, and hardlinks to links that lead nowhere: legal, and more than umoci can.
const givesUp = /too many levels of symbolic links|link: no such file or directory/

/** What we make of a stack, or nothing: we refuse more than umoci does, such as one path by two names. */
async function ours(stack: readonly Step[][]): Promise<string[] | undefined> {
  return treeOf(archivesOf(stack), 'strip').then(describeTree, (error: unknown) => {
    expect(error).toBeInstanceOf(ProviderError)
    return undefined
  })
}

/** What umoci makes of many stacks; those that it gives up at are left out of `wanted`. */
function unpackMany(stacks: ReadonlyMap<string, Step[][]>, wanted: Map<string, readonly string[]>): string[] {
  const members: Buffer[][] = []
  for (const folder of wanted.keys())
    movedTo(folder, stacks.get(folder) ?? []).forEach((steps, layer) => {
      members[layer] ??= []
      members[layer].push(directory(folder), ...steps.map(memberOf))
    })
  const theirs = unpack(members.map((parts) => tar(...parts)))
  if (typeof theirs !== 'string') return theirs
  const [folder] = (givesUp.test(theirs) && /\bc\d+\b/.exec(theirs)) || []
  if (folder === undefined || !wanted.delete(folder)) throw new Error(theirs)
  return unpackMany(stacks, wanted)
}

/** Stacks side by side in one image, each in a folder of its own, so that umoci starts once for hundreds. */
async function compareMany(stacks: ReadonlyMap<string, Step[][]>): Promise<{ compared: number; different: string[] }> {
  const wanted = new Map<string, readonly string[]>()
  for (const [folder, stack] of stacks) {
    const tree = await ours(stack)
    if (tree !== undefined) wanted.set(folder, tree)
  }
  const theirs = unpackMany(stacks, wanted)
  const found = new Map<string, string[]>([...wanted.keys()].map((folder) => [folder, []]))
  for (const line of theirs) {
    const [, folder = '', rest = ''] = /^(c\d+)\/(.+)$/.exec(line) ?? []
    if (rest !== '') found.get(folder)?.push(rest.replace(` -> /${folder}`, ' -> ').replace(/ -> $/, ' -> /'))
  }
  const text = (lines: readonly string[] | undefined) => JSON.stringify(lines?.toSorted())
  const different = [...wanted].filter(([folder, tree]) => text(tree) !== text(found.get(folder)))
  return { compared: wanted.size, different: different.map(([folder]) => folder) }
}

testWith('umoci')('thousands of random stacks, side by side, give the trees that umoci unpacks', async () => {
  const stacks = fc.sample(insideStacks, { numRuns: runs, seed }).map(withoutRefused)
  let compared = 0
  for (let at = 0; at < runs; at += 250) {
    const batch = stacks.slice(at, at + 250).map((stack, index): [string, Step[][]] => [`c${at + index}`, stack])
    const found = await compareMany(new Map(batch))
    compared += found.compared
    for (const folder of found.different) {
      const shrunk = await shrink(new Map(batch).get(folder) ?? [], isDifferent)
      throw new Error(`PGOCI_SEED=${seed}: umoci unpacks something else of ${JSON.stringify(shrunk)}`)
    }
  }
  process.stdout.write(`umoci: ${compared} of ${runs} random stacks compared, all the same (PGOCI_SEED=${seed})\n`)
  expect(compared).toBeGreaterThan(runs * 0.95)
})

async function isDifferent(stack: Step[][]): Promise<boolean> {
  return (await compareMany(new Map([['c0', stack]]))).different.length > 0
}

/** Leaves out layers and steps as long as the rest still shows it. */
async function shrink(stack: Step[][], shows: (stack: Step[][]) => Promise<boolean>): Promise<Step[][]> {
  for (const [layer, steps] of stack.entries()) {
    const fewer = steps.map((_, step) => stack.with(layer, steps.toSpliced(step, 1)))
    for (const smaller of [stack.toSpliced(layer, 1), ...fewer]) if (await shows(smaller)) return shrink(smaller, shows)
  }
  return stack
}

testWith('umoci')('stacks whose links climb, each an image of its own, give the tree that umoci unpacks', async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(stacks, async (made) => {
      const stack = withoutRefused(made)
      const tree = await ours(stack)
      if (tree === undefined) return
      const theirs = unpack(archivesOf(stack))
      if (givesUp.test(String(theirs))) return
      compared += 1
      expect(tree).toEqual(theirs)
    }),
    { numRuns: Math.ceil(runs / 30), seed },
  )
  expect(compared).toBeGreaterThan(runs / 50)
})
