import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect } from 'vitest'
import { ProviderError } from '../../src/model/error.ts'
import { blobsOf, image, writeLayoutOf } from '../support/layout.ts'
import { testWith } from '../support/needs.ts'
import { describeFolder } from '../support/rootfs.ts'
import { type Step, stacks } from '../support/stacks.ts'
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

function unpack(layers: readonly Buffer[]): string[] | string {
  const folder = mkdtempSync(join(tmpdir(), 'pgoci-umoci-'))
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

testWith('umoci')('random stacks of layers give the tree that umoci unpacks', async () => {
  let compared = 0
  await fc.assert(
    fc.asyncProperty(stacks, async (stack) => {
      const layers = stack.map((steps) => tar(...steps.map(memberOf)))
      const tree = await treeOf(layers, 'strip').catch((error: unknown) => {
        expect(error).toBeInstanceOf(ProviderError)
        return undefined
      })
      // We refuse more than umoci does, such as one path by two names.
      if (tree === undefined) return
      const theirs = unpack(layers)
      // A whiteout below links in a circle hides nothing; umoci gives up.
      if (/too many levels of symbolic links/.test(String(theirs))) return
      compared += 1
      expect(describeTree(tree)).toEqual(theirs)
    }),
    { numRuns: Number(process.env['PGOCI_RUNS'] ?? 300) },
  )
  expect(compared).toBeGreaterThan(50)
})
